# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: 連鎖の全体, en: The whole chain}
#     theme: all
#     objectives:
#       ja:
#         - 予算の使い道を、売上ではなく、費用をすべて引いた利益で比べられる
#         - 「満足→再購入→口コミ」の連鎖を、つながりごとの強さで説明できる
#         - 表の差を効果と取り違えたときに、どれだけ外れるかを確かめられる
#         - 効果の足し算や頭打ち、たまたまの1位を疑える
#       en:
#         - Compare ways to spend a budget by profit after all costs, not by sales
#         - Say how strong each link of the chain "satisfied, back again, recommending" is
#         - Find out how far off you are if you take a gap in a table for an effect
#         - Doubt effects that are simply added up or never wear off, and a winner by luck
#     prerequisites:
#       ja: レッスン12（表の差と、変えたときの差）。Pythonは読めれば十分です
#       en: Lesson 12 (a gap in a table, and the effect of a change); reading a little Python is enough
#     teach_minutes: 30
#     exercise_minutes: 20
#     cut_if_late: [growth, alike]
#     tables: [orders, survey_responses]
#     glossary: [business_growth, satisfaction_chain, customer_first]
# ---

# %% [markdown] lang="ja" part="question" typed="the game's budget"
# ## 店長の質問
#
# 「来年のために100万円もらえることになりました。広告、仕上がりの点検、来店後の電話、返信を速くする窓口。全部やりたいけれど、どれにいくら使えばいいでしょう？」
#
# どれも「売上が増える」と言われるものばかりです。このレッスンでは、お金を4つの使い道（**レバー**と呼びます）に配り、同じ1年をやり直して、本当に何が起きるかを見ます。シミュレーションの美容室チェーンなので、答え合わせができます。

# %% [markdown] lang="en" of="8583242d" part="question" typed="the game's budget"
# ## The manager asks
#
# "I have been given a million yen for next year. Advertising, inspecting our work, calling customers after a visit, a desk that replies sooner: I want all of them. How much for which?"
#
# Each of them promises more sales. In this lesson you divide the money over these four **levers**. The same year is then lived again, and you see what truly happens. The chain of salons is simulated: that is why there is a truth to check against.

# %%
from crmkit.lessons import the_whole_chain as lesson

lesson.prices()

# %% [markdown] lang="ja" part="prices" typed="the game's rules"
# これが値段表です。`price`は`of`1つ分の値段（円）、`first_step`は最初の25万円で買えるものです。`source`は出どころで、「店の帳簿」はこの店の記録にあるもの、「仮定」は私たちが決めたものです。広告は使うほど割高になり、返信の待ち時間は25万円ごとに半分になる、という仮定です。**仮定が変われば、答えも変わります。** 自分の店では、まずこの表を作ります。

# %% [markdown] lang="en" of="a82b67a4" part="prices" typed="the game's rules"
# This is the price list. `price` is in yen, for one of what the column `of` names; `first_step` is what the first 250,000 yen buy. `source` tells where the price is from: the salon's own records, or an assumption of ours. We assume that advertising gets dearer the more you buy, and that each 250,000 yen halves the wait for a reply. **Other assumptions, other answers.** For a shop of your own, this table is what you make first.

# %% [markdown] lang="ja" part="predict" typed="the game's budget and its steps"
# ## 予想してから動かす
#
# まず4つに25万円ずつ。使った100円につき、1年のうちに何円が戻るでしょう。予想したら、配り方を変えてください。全部使わなくてもかまいません。左の図は、不満から注文までの一つ一つがどう変わるか（広告がなくても来るお客さまだけ）、右の図は成績表です。図が出るまで数秒かかります。考えられる{{ len(budgets) }}通りの予算について、先に1年をやり直しておくからです。

# %% [markdown] lang="en" of="de0b2152" part="predict" typed="the game's budget and its steps"
# ## Predict, then move
#
# Begin with 250,000 yen for each. Of every 100 yen spent, how many come back within the year? Lock in your prediction, then move the money; you may keep some. On the left: what changes step by step, from bad visits to orders, among customers who come even without advertising. On the right: the score. The first picture takes some seconds, as the year is lived beforehand with each of the {{ len(budgets) }} possible budgets.

# %%
lesson.million_yen()

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **講師メモ（8分）** ペアで予算を決めてから動かしてもらいます。5分で締め切り、各組の順位を板書しましょう。「全額を返信に」がいちばん下になるのを意外に思う人が多いはずです。理由は聞くだけにして、あとで答え合わせをします。予算を超えたという文が出た人には、先に減らすレバーを決めてもらいます。

# %% [markdown] lang="en" of="5bed896b" part="predict" tags=["trainer"]
# **For the trainer (8 minutes).** In pairs: agree on a budget first, then move. Stop after five minutes and write each pair's rank on the board. Many are surprised that "all on replies" ends at the bottom. Collect reasons, do not answer yet. If somebody is told that the budget is exceeded, let them decide first which lever gets less.

# %% [markdown] lang="ja" part="code" typed="the game's size and its error level"
# ## 中で動いているコード
#
# `bought`がお金をレバーの設定（電話なら、電話する来店の割合`follow_up_share`）に直します。`crmkit.compare`は、**同じ8,000人の1年を、同じ運のまま2回**動かします。`baseline`はいつもの1年、`changed`はレバーを動かした1年。違うのはレバーだけなので、差（`difference`）がそのまま効果です。満足度は0から1です。`low`と`high`は、別の8,000人ならどこまで変わるかを示す95%信頼区間です。

# %% [markdown] lang="en" of="ffd1a760" part="code" typed="the game's size and its error level"
# ## The code behind it
#
# `bought` turns money into settings of the levers: for calls, the share of visits followed by one, `follow_up_share`. `crmkit.compare` lets **the same 8,000 customers live the year twice, with the same luck**: `baseline` is the year as it was, `changed` the one with other levers. Nothing differs but the levers, so the `difference` is the effect. Satisfaction goes from 0 to 1. `low` and `high` say how far another 8,000 customers might differ (95%).

# %%
levers = lesson.bought(follow_up=250_000)
print({name: round(setting, 2) for name, setting in levers.items()})
calls = crmkit.compare("salon", levers, customers=8_000, weeks=52).effects.set_index("outcome")
calls.loc[
    ["satisfaction", "orders", "net_amount", "cost", "profit"], ["baseline", "changed", "difference", "low", "high"]
]

# %% [markdown] lang="ja" part="code" typed="a yen amount of the rules"
# 1人あたりの売上（`net_amount`）は{{ calls.loc["net_amount", "difference"] :.0f}}円増えます。そこから材料費と美容師の取り分、さらに電話代などの`cost`（{{ calls.loc["cost", "difference"] :.0f}}円増）を引くと、利益（`profit`）の増加は{{ calls.loc["profit", "difference"] :.0f}}円。区間は{{ calls.loc["profit", "low"] :.0f}}～{{ calls.loc["profit", "high"] :.0f}}円と0をまたぐので、得になるとはまだ言い切れません。窓口と広告の費用は`cost`に入っていないので、あとで引きます。広告で来る人は「その年の新規客の平均×人数」で計算します。

# %% [markdown] lang="en" of="503dacff" part="code" typed="a yen amount of the rules"
# For one customer, sales (`net_amount`) rise by {{ calls.loc["net_amount", "difference"] :.0f}} yen. Material and the stylist's share come off, then `cost` (calls and the like), which rises by {{ calls.loc["cost", "difference"] :.0f}} yen. What is left is `profit`: {{ calls.loc["profit", "difference"] :.0f}} yen more. Its interval, {{ calls.loc["profit", "low"] :.0f}} to {{ calls.loc["profit", "high"] :.0f}} yen, holds zero: we cannot be sure yet that these calls pay. The desk and the advertising are not in `cost`; they are taken off afterwards. Customers won by advertising are reckoned: their number times what a newcomer of that year brought.

# %% [markdown] lang="ja" part="exercise" typed="the question's own amounts"
# ## 問題1
#
# 25万円で窓口を増やすと、返信までの目安は9時間から4.5時間になります。8,000人のチェーン全体で、窓口の費用も引くと、**1年の利益は何円増える**でしょう。次のセルの`quicker`は、1人あたりの平均です（最初の行は問題の準備）。

# %% [markdown] lang="en" of="db64e228" part="exercise" typed="the question's own amounts"
# ## Exercise 1
#
# For 250,000 yen the desk replies within about 4.5 opening hours instead of 9. For the whole chain of 8,000 customers, with the desk paid: **by how many yen does the year's profit grow?** `quicker` in the next cell has means for one customer (the first line there only prepares the exercises).

# %%
lesson.start(crmkit.sample("salon"))
quicker = crmkit.compare("salon", {"first_reply_hours": 4.5}, customers=8_000, weeks=52).effects.set_index("outcome")
quicker.loc[["orders", "net_amount", "cost", "profit"], ["baseline", "changed", "difference"]]

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = quicker.loc["profit", "difference"] * 8_000 - 250_000

# %%
lesson.check("15.1", answer_1)

# %% [markdown] lang="ja" part="chain"
# ## 連鎖を測る
#
# {{ define:satisfaction_chain }}
#
# 黙っている不満は、ふつうの店では数えられません。シミュレーションでは、心の中も記録されています（`town.truth`）。

# %% [markdown] lang="en" of="bb052d47" part="chain"
# ## Measure the chain
#
# {{ define:satisfaction_chain }}
#
# Nobody can count the unhappy who say nothing. In a simulation, what customers think is on record too (`town.truth`).

# %%
town = crmkit.simulate("salon", customers=4_000, weeks=52)
lesson.chain(town)

# %% [markdown] lang="ja" part="chain" typed="an error level"
# 上の段は人の流れ、右と下は電話を増やしたときの変化（±は95%信頼区間）です。電話が直接変えるのは満足度だけなので、そこから先の変化は満足が生んだものです。**主張は、この世界では正しい。ただし1年では小さい。** 割合でいちばん動いたのは紹介で、注文はわずかです。また、苦情への返信を速くしても、黙っている人には届きません。全額を返信に使う予算が振るわない理由の一つです。ほかの店でも同じ強さだとは言えません。

# %% [markdown] lang="en" of="5d0f2102" part="chain" typed="an error level"
# Above is the flow of people; on the right and below, what more calls change (± gives the 95% interval). Calls touch nothing directly but satisfaction, so whatever follows is the work of satisfaction. **In this world the claim is true. Within a year the effect is also small.** In per cent, referrals move most and orders only a little. And a quicker reply to complaints never reaches those who say nothing: one reason why all the money on replies does so little. Elsewhere the strengths may differ.

# %% [markdown] lang="ja" part="chain" tags=["trainer"]
# **講師メモ（6分）** 図を出す前に「不満を持った人のうち、何割が口に出すと思いますか」と聞きます。たいてい多めに見積もります。そのうえで「苦情への返信だけを速くしても、届くのはこのうち何割？」と続けると、返信に全額を使った予算が伸びない理由に自分で気づきます。

# %% [markdown] lang="en" of="7966f85a" part="chain" tags=["trainer"]
# **For the trainer (6 minutes).** Before the picture, ask: "Of all unhappy customers, how many say so?" Guesses are usually too high. Then: "If only complaints are answered sooner, how many of these people does it reach?" The room finds out by itself why a budget all on replies does so little.

# %% [markdown] lang="ja" part="naive"
# ## 表だけを見たら
#
# シミュレーションがなければ、分析担当者はこう比べるでしょう。電話を一度でも受けた人と、一度も受けていない人。1年の注文の回数はどれだけ違うでしょうか。`interactions`はお客さまとのやりとりの表で、種類（`kind`）が`follow_up`の行が来店後の電話です。

# %% [markdown] lang="en" of="23135100" part="naive"
# ## If a table is all you have
#
# Without a simulation, an analyst would compare customers who were called at least once with those who never were. How many orders a year do they place? The table `interactions` has every contact with a customer; rows of the kind `follow_up` are the calls after a visit.

# %%
orders = town.orders[town.orders["status"] != "cancelled"]
visits = orders.groupby("customer_id").size()
phoned = town.interactions.loc[town.interactions["kind"] == "follow_up", "customer_id"]
was_called = visits.index.isin(phoned)
called_mean, others_mean = visits[was_called].mean(), visits[~was_called].mean()
naive = called_mean - others_mean
print(f"{called_mean=:.2f}, {others_mean=:.2f}, {naive=:.2f}")

# %% part="exercise"
lesson.quiz("15.4")

# %%
everybody = {"follow_up_share": 1}
nobody = {"follow_up_share": 0}
called = crmkit.compare("salon", everybody, against=nobody, customers=4_000, weeks=52)
truth = called.effects.set_index("outcome").loc["orders"]
print(crmkit.score(naive, truth))

# %% [markdown] lang="ja" part="naive"
# 上は、全員に電話した1年と、誰にも電話しない1年の比較です。表の差は1人あたり{{ naive :.1f}}回、本当の効果は{{ truth["difference"] :.2f}}回。**{{ naive / truth["difference"] :.0f}}倍の過大評価**です。電話は来店のあとにかけるので、よく来る人ほど電話を受けています。原因と結果が逆でした。それでも効果はゼロではありません。区間は{{ truth["low"] :.2f}}～{{ truth["high"] :.2f}}回です。

# %% [markdown] lang="en" of="7ac57178" part="naive"
# The cell above compares a year with a call after every visit and the same year with no calls at all. The gap in the table is {{ naive :.1f}} orders per customer, the true effect {{ truth["difference"] :.2f}}: **{{ naive / truth["difference"] :.0f}} times too much**. Calls follow visits, so frequent visitors get more calls: cause and effect were swapped. Still, calls do something: the interval is {{ truth["low"] :.2f}} to {{ truth["high"] :.2f}} orders.

# %% [markdown] lang="ja" part="together" typed="the game's steps"
# ## 頭打ちと足し算
#
# 返信に使うお金を25万円ずつ増やしてみます。待ち時間は毎回半分になりますが、売上の伸びはだんだん小さくなります。9時間の半分なら4.5時間早く返せるのに、1時間ほどの半分では30分しか早くならないからです。`extra_sales`は売上の増加、`extra_profit`は費用をすべて引いた利益の増加（円）、`low`と`high`はその区間です。

# %% [markdown] lang="en" of="33844179" part="together" typed="the game's steps"
# ## What wears off, and what adds up
#
# Spend 250,000 yen more on replies, again and again. The wait is halved each time, but each step adds less to sales than the one before. Halving nine hours brings the answer 4.5 hours sooner; halving one hour, only 30 minutes. `extra_sales` is what sales grow by, `extra_profit` what is left of it after all costs (yen, with the interval from `low` to `high`).

# %%
budgets = lesson.budgets()
others = budgets[["advertisement", "inspection", "follow_up"]].sum(axis=1)
only_reply = budgets[others == 0].sort_values("reply")
only_reply.set_index("reply")[["extra_sales", "extra_profit", "low", "high"]]

# %% [markdown] lang="ja" part="exercise" typed="the question's own amounts"
# ## 問題2
#
# 点検に50万円、電話に25万円、返信に25万円。3つを**一緒に**行うと、費用をすべて引いた利益は何円増えるでしょう。次のセルは、一つずつ行った場合です。`.profit`は費用を引いたあとの額です。

# %% [markdown] lang="en" of="e1c2e374" part="exercise" typed="the question's own amounts"
# ## Exercise 2
#
# 500,000 yen for inspection, 250,000 for calls, 250,000 for replies. If all three are done **together**, by how many yen does profit grow after all costs? The next cell has each of them alone; `.profit` is what remains when the costs are paid.

# %%
alone = [lesson.spend(inspection=500_000), lesson.spend(follow_up=250_000), lesson.spend(reply=250_000)]
[round(one.profit) for one in alone]

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = lesson.spend(inspection=500_000, follow_up=250_000, reply=250_000).profit

# %%
lesson.check("15.2", answer_2)

# %%
overlap = lesson.overlap(inspection=500_000, follow_up=250_000, reply=250_000)
{name: round(yen) for name, yen in overlap.items()}

# %% [markdown] lang="ja" part="together" typed="an error level and the game's steps"
# 一緒に行った利益から、別々の利益の合計を引くと{{ overlap["value"] :,.0f}}円。点検で不具合を見つけた来店には、苦情も、速い返信もいらないからでしょうか。ただし95%信頼区間は{{ overlap["low"] :,.0f}}～{{ overlap["high"] :,.0f}}円で、**この1年だけでは、重なりがあるとは言い切れません**。頭打ちは、レバーしだいです。返信は頭打ちでしたが、電話の利益は25万円で{{ lesson.spend(follow_up=250_000).profit :,.0f}}円、100万円なら{{ lesson.spend(follow_up=1_000_000).profit :,.0f}}円。まだ頭打ちに見えません。

# %% [markdown] lang="en" of="34585f37" part="together" typed="an error level and the game's steps"
# All three together, less the sum of each alone: {{ overlap["value"] :,.0f}} yen. Perhaps because a visit whose defect was caught needs neither a complaint nor a quick reply. But the 95% interval is {{ overlap["low"] :,.0f}} to {{ overlap["high"] :,.0f}} yen: **one year is not enough to be sure that levers get in each other's way.** Wearing off depends on the lever. Replies did; calls earn {{ lesson.spend(follow_up=250_000).profit :,.0f}} yen with 250,000 and {{ lesson.spend(follow_up=1_000_000).profit :,.0f}} with a million: no sign of it yet.

# %% [markdown] lang="ja" part="together" tags=["trainer"]
# **講師メモ（6分）** 足し算を答えた人には「点検で不具合がなくなった人は、苦情を言いますか」と聞きます。次に区間を見て、0をまたいでいることに気づいた人を褒めましょう。もっともらしい説明があることと、測れたことは別です。早く終わった人には、広告と電話を一緒にした場合を`lesson.spend`で試してもらいます。

# %% [markdown] lang="en" of="2884ab13" part="together" tags=["trainer"]
# **For the trainer (6 minutes).** Whoever adds up: "Does somebody whose defect was caught complain?" Then look at the interval, and praise whoever notices that it holds zero. A good story is one thing, a measured effect another. Let the quick ones try advertising together with calls, with `lesson.spend`.

# %% [markdown] lang="ja" part="first"
# ## 誰にとって最良か
#
# {{ define:customer_first }}
#
# 売上、利益、残ったお客さま（`stayed`）、減った「黙っている不満」（`silent`）。4つの目標で、最良の予算は同じでしょうか。

# %% [markdown] lang="en" of="fa1dad05" part="first"
# ## Best for whom?
#
# {{ define:customer_first }}
#
# Sales, profit, customers kept (`stayed`), silent bad visits that no longer happen (`silent`): is one budget the best for all four?

# %%
goals = ["extra_sales", "extra_profit", "stayed", "silent"]
winners = budgets.loc[[budgets[goal].idxmax() for goal in goals]]
winners = winners.assign(best_for=goals).set_index("best_for")
winners[["advertisement", "inspection", "follow_up", "reply", *goals]].T

# %% [markdown] lang="ja" part="first"
# 売上、利益、残ったお客さまでは、同じ予算が1位です。ところがその予算では、黙っている不満が{{ -winners.loc["extra_profit", "silent"] }}件**増えます**。来店が増えれば、不満の残る来店も増えるからでしょう。黙っている不満をいちばん減らす予算の利益は{{ winners.loc["silent", "extra_profit"] :,}}円で、利益だけを追う予算より{{ winners.loc["extra_profit", "extra_profit"] - winners.loc["silent", "extra_profit"] :,}}円少なくなります。「顧客第一なら必ずもうかる」とは言えません。だから、迷ったときにどちらを取るかを決めておきます。

# %% [markdown] lang="en" of="672eb785" part="first"
# For sales, profit and customers kept, the same budget comes first. But with it there are {{ -winners.loc["extra_profit", "silent"] }} **more** silent bad visits, perhaps because more visits mean more bad ones. The budget that spares customers most silent bad visits earns {{ winners.loc["silent", "extra_profit"] :,}} yen. That is {{ winners.loc["extra_profit", "extra_profit"] - winners.loc["silent", "extra_profit"] :,}} yen less than the one made for profit alone. So "customer first always pays" is not true here, and a firm should have decided beforehand which side it takes.

# %% [markdown] lang="ja" part="trap" typed="a rank"
# ## 落とし穴：たまたまの1位
#
# {{ len(budgets) }}通りの中の1位を、来年もそのまま使ってよいでしょうか。1位になった理由には、その年の運も入っています。1位と2位を、**別のお客さまの、別の3年**（`seed`を変えたもの）で比べます。予想してから実行してください。

# %% [markdown] lang="en" of="49cae580" part="trap" typed="a rank"
# ## A trap: first by luck
#
# Can next year's money simply go to the first of {{ len(budgets) }} budgets? Part of why it came first is that year's luck. Let us compare the first and the second in **three other years with other customers** (another `seed`). Predict, then run the cell.

# %%
names = ["advertisement", "inspection", "follow_up", "reply"]
first, second = budgets[names].to_dict("records")[:2]
print(first, second)
years = {
    seed: (lesson.spend(**first, seed=seed).profit, lesson.spend(**second, seed=seed).profit) for seed in (8, 9, 10)
}
second_ahead = sum(profit[1] > profit[0] for profit in years.values())
{seed: [round(profit) for profit in both] for seed, both in years.items()}

# %% [markdown] lang="ja" part="trap" typed="a rank"
# 比べた3年のうち、もとの2位が上だった年は{{ second_ahead }}年です。もとの1位の区間は{{ budgets["low"].iloc[0] :,}}～{{ budgets["high"].iloc[0] :,}}円と広く、2位との差はわずかでした。**多くの候補の中の1位には、運でもなれます。** では2位が本当の1位でしょうか。コイン投げでも、表が3回続くことはあります。たった3年では決められません。上位の予算はどれも良いと考え、続けやすさで選びましょう。

# %% [markdown] lang="en" of="09e62488" part="trap" typed="a rank"
# Of the 3 years compared, the former second was ahead in {{ second_ahead }}. The winner's interval had been wide, {{ budgets["low"].iloc[0] :,}} to {{ budgets["high"].iloc[0] :,}} yen, and its lead over the second small. **To be first of many, luck may be enough.** So is the second the true winner? A coin, too, may show heads three times running: three years do not decide it. Take the budgets at the top as all good, and choose the one you can keep up.

# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# **講師メモ（5分）** 「では、どれを選べば？」と聞かれたら、下位との差を見せます。上位どうしは区別できなくても、全額を返信に使う予算が悪いことは、はっきり分かります。「2位が本当の1位では？」と言う人には、`range(8, 20)`のように年を増やして確かめてもらいましょう。2位が上の年のほうが多く見つかります。シミュレーションでは年を増やせますが、店では増やせません。だから小さく試し、比べられる形で広げます。

# %% [markdown] lang="en" of="c2892d60" part="trap" tags=["trainer"]
# **For the trainer (5 minutes).** If somebody asks "So which one?", point to the bottom of the list. The top cannot be told apart, but that all on replies is bad is quite clear. If somebody says that the second is truly better, let them try more years, `range(8, 20)` say: it is ahead in most of them. A simulation can live more years, a shop cannot: it tries in small, and widens in a way that can be compared.

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ご自分のデータでも
#
# ここから下は、ご自分のデータでも動きます。注文（`orders`）とアンケートの回答（`survey_responses`）の表をフォルダーに入れ、その名前を`MY_FILE`に書いて、このセルから下を実行し直します。アンケートの表には`customer_id`、`kind`（満足度なら`csat`）、`score`、`sent_at`の列が要ります。`None`のままなら、別の小さな美容室の見本です。現実の店では1年をやり直せません。できるのは観察だけです。

# %% [markdown] lang="en" of="c11f9ea7" part="shop" typed="file name is the reader's own"
# ## With your own data, if you like
#
# From here on the lesson runs on your own data too. Put your tables of orders (`orders`) and survey answers (`survey_responses`) into a folder, write its name into `MY_FILE`, and run the cells from here on again. The survey table needs the columns `customer_id`, `kind` (`csat` for satisfaction), `score` and `sent_at`. With `None` you get another, smaller salon as a sample. No real shop can live a year again: what follows is observation only.

# %%
MY_FILE = None

shop = crmkit.load(MY_FILE) if MY_FILE else crmkit.sample("salon")
when = lesson.start(shop)
shop

# %%
answers = lesson.again(shop.survey_responses, shop.orders, days=90)
answers.tail()

# %% [markdown] lang="ja" part="exercise" typed="the question's own window"
# ## 問題3
#
# 1行が、満足度の回答1件です。`satisfied`は満足したか（5点満点なら4点以上）、`again`は回答のあと90日以内にまた注文したか、`observed`は90日間を見届けられたか。新しい回答は、まだ90日たっていないので`False`です。見届けられた回答で、**また注文した人の割合は、満足した人のほうがどれだけ高い**でしょう（差）。

# %% [markdown] lang="en" of="5df6b0e7" part="exercise" typed="the question's own window"
# ## Exercise 3
#
# Each row is one answer about satisfaction. `satisfied`: 4 or 5 points of 5; `again`: whether the customer ordered within 90 days after it; `observed`: whether the data reach that far, which is not so for the latest answers. Among answers that were observed, **by how much is the share who ordered again higher for the satisfied?** (A difference.)

# %% part="exercise"
answer_3 = ...
# solution
seen = answers[answers["observed"]]
share = seen.groupby("satisfied")["again"].mean()
answer_3 = share[True] - share[False]

# %%
lesson.check("15.3", answer_3)

# %% [markdown] lang="ja" part="alike" typed="the bands of the next cell"
# ## 似た人どうしで比べる
#
# 常連はもともと満足と答えやすく、もともとまた来ます。そこで、回答までの注文の回数（`orders_before`）が近い人どうしで比べます。次のセルの`clip(upper=4)`は、4回以上を一つにまとめます。`share`はまた注文した人の割合、`n`は回答の数です。

# %% [markdown] lang="en" of="8f813956" part="alike" typed="the bands of the next cell"
# ## Compare like with like
#
# Regulars tend to say that they are satisfied, and they come back anyway. So compare customers with about as many orders before their answer (`orders_before`). In the next cell `clip(upper=4)` puts four orders and more together. `share` is the share who ordered again, `n` the number of answers.

# %%
followed = answers[answers["observed"]].copy()
followed["orders_so_far"] = followed["orders_before"].clip(upper=4)
alike = followed.groupby(["orders_so_far", "satisfied"])["again"].agg(share="mean", n="size")
alike

# %% [markdown] lang="ja" part="alike" typed="the bands of the cell above"
# 見本のデータでは、回答の多い「4回以上」で差が消えます。満足した人は{{ alike.loc[(4, True), "share"] :.0%}}、そうでない人は{{ alike.loc[(4, False), "share"] :.0%}}です。1～3回では満足した人のほうが高いものの、`n`が少なく、差は当てになりません。**差が残っても、まだ効果とは言えません。** ほかに何が違うかを、この表は知らないからです。

# %% [markdown] lang="en" of="63d75378" part="alike" typed="the bands of the cell above"
# In the sample the gap is gone where most answers are, at four orders and more: {{ alike.loc[(4, True), "share"] :.0%}} of the satisfied came back, and {{ alike.loc[(4, False), "share"] :.0%}} of the others. With one to three orders the satisfied are ahead, but `n` is small and the gap not to be relied on. **A gap that remains is still not an effect:** the table does not know what else differs.

# %% [markdown] lang="ja" part="growth"
# ## 成長を分けて見る
#
# {{ define:business_growth }}
#
# 次の表は、直近の半年のお客さまの出入りです。120日以内に注文した人を「今のお客さま」と数えます。月初め（`opening`）に、新規（`new`）と復帰（`reactivated`）を足し、離れた人（`lapsed`）を引くと、月末（`closing`）です。

# %% [markdown] lang="en" of="c819e8bf" part="growth"
# ## Take growth apart
#
# {{ define:business_growth }}
#
# The next table has the customers who came and went in the last half year. Whoever ordered within 120 days counts as a present customer. Customers at the start of the month (`opening`), plus `new` and `reactivated`, less `lapsed`, make those at its end (`closing`).

# %%
movements = crmkit.customer_base_movements(shop.orders, **when.half_year, active_days=120, every="1mo")
movements[["start", "opening", "new", "reactivated", "lapsed", "closing"]]

# %% [markdown] lang="ja" part="growth"
# 見本の店では、半年で新規{{ movements["new"].sum() }}人と復帰{{ movements["reactivated"].sum() }}人が加わり、{{ movements["lapsed"].sum() }}人が離れて、差し引き{{ movements["closing"].iloc[-1] - movements["opening"].iloc[0] }}人の増加でした。新規客の数だけでは、店が大きくなったかどうかは分かりません。

# %% [markdown] lang="en" of="380bd1ab" part="growth"
# In the sample {{ movements["new"].sum() }} new customers and {{ movements["reactivated"].sum() }} returning ones came within half a year, and {{ movements["lapsed"].sum() }} lapsed: {{ movements["closing"].iloc[-1] - movements["opening"].iloc[0] }} more in the end. The number of new customers alone does not tell whether a shop grows.

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 予算は、費用をすべて引いた利益で比べます。売上は利益ではありません
# - 効果は足し算どおりとは限らず、頭打ちになるレバーもあります
# - 「満足が成長を生む」は主張です。効く道も時間も、測らなければ分かりません
# - 表の差を効果と読むと、桁違いに外れることがあります
# - たくさんの候補の1位は、運かもしれません

# %% [markdown] lang="en" of="85113d94" part="takeaway"
# ## To take away
#
# - Compare budgets by profit after all costs. Sales are not profit
# - Effects need not add up, and those of some levers wear off
# - "Satisfaction makes a business grow" is a claim: which way it works and how long it takes has to be measured
# - If you read a gap in a table as an effect, you can be wrong by far
# - The first of many candidates may be first by luck

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# まず、このレッスンの最初にあるような値段表を作りましょう。レバー、かかるお金、どこから分かったか、の三つです。次に、いちばん確かめたい仮定を一つ選び、対象を**くじで**二つに分けて小さく試します。分け方さえ公平なら、差がそのまま効果です。アンケートがまだなければ、会計のあとの一問から始められます。

# %% [markdown] lang="en" of="00912481" part="own_data"
# ## With your own data
#
# First make a price list like the one at the top: the lever, what it costs, where you know it from. Then pick the one assumption you most want to check and try it in small, on customers divided in two **by lot**. If the dividing is fair, the difference is the effect. No survey yet? One question after paying is a beginning.
