# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: 連鎖の全体, en: The whole chain}
#     theme: all
#     objectives:
#       ja:
#         - 予算の使い道を、売上ではなく、費用をすべて引いた利益で比べられる
#         - 「満足→再購入→口コミ」の連鎖を、環ごとの強さで説明できる
#         - 表の差を効果と取り違えたときに、どれだけ外れるかを確かめられる
#         - 効果の足し算や頭打ち、たまたまの1位を疑える
#       en:
#         - Compare ways to spend a budget by profit after all costs, not by sales
#         - Tell the chain "satisfied, back again, recommending" with the strength of each link
#         - Find out how far off you are if you take a gap in a table for an effect
#         - Suspect effects that are added up or never wear off, and a winner by luck
#     prerequisites:
#       ja: レッスン12（表の差と、変えたときの差）。Python は読めれば十分です
#       en: Lesson 12 (a gap in a table, and the effect of a change); reading a little Python is enough
#     teach_minutes: 28
#     exercise_minutes: 20
#     cut_if_late: [growth]
#     tables: [orders, survey_responses]
#     glossary: [business_growth, satisfaction_chain, customer_first]
# ---

# %% [markdown] lang="ja" part="question" typed="the game's budget"
# ## 店長の質問
#
# 「来年のために100万円もらえることになりました。広告、仕上がりの点検、来店後の電話、返信を速くする窓口。全部やりたいけれど、どれにいくら使えばいいでしょう？」
#
# どの話にも「だから売上が増える」と書いてあります。このレッスンでは、お金を配り、同じ1年をやり直して、本当に何が起きるかを見ます。シミュレーションの美容室チェーンなので、答え合わせができます。

# %% [markdown] lang="en" of="9dcdab72" part="question" typed="the game's budget"
# ## The manager asks
#
# "I get a million yen for next year. Advertising, inspecting our work, calling customers after a visit, a desk that replies sooner: I want all of them. How much for which?"
#
# Each of them promises more sales. In this lesson you hand out the money, the same year is lived again, and you see what truly happens. The chain of salons is simulated: that is why there is a truth to check against.

# %%
from crmkit.lessons import the_whole_chain as lesson

lesson.prices()

# %% [markdown] lang="ja" part="prices" typed="the game's rules"
# これが値段表です。`source`が「店の帳簿」の値段は、この店の記録にあるもの。「仮定」は私たちが決めました。広告は使うほど割高になり、返信の待ち時間は25万円ごとに半分になる、という仮定です。**仮定が変われば、答えも変わります。** 自分の店では、まずこの表を作ります。

# %% [markdown] lang="en" of="56a90822" part="prices" typed="the game's rules"
# This is the price list. Prices whose `source` is the salon's books come from its records. The assumptions are ours: advertising gets dearer the more you buy, and each 250,000 yen halves the wait for a reply. **Other assumptions, other answers.** For a shop of your own, this table is what you make first.

# %% [markdown] lang="ja" part="predict" typed="the game's budget and its steps"
# ## 予想してから動かす
#
# まず4つに25万円ずつ。使った100円につき、1年のうちに何円が戻るでしょう。予想したら、配り方を変えてください。全部使わなくてもかまいません。左は連鎖の各環の変化（もとからのお客さま）、右は成績表です。図が出るまで数秒かかります。考えられる{{ len(budgets) }}通りの予算について、先に1年を生き直しておくからです。

# %% [markdown] lang="en" of="4b3acc9b" part="predict" typed="the game's budget and its steps"
# ## Predict, then move
#
# Begin with 250,000 yen for each. Of every 100 yen spent, how many come back within the year? Lock in your prediction, then move the money; you may keep some. On the left: what changes at each link of the chain, among customers who come anyway. On the right: the score. The first picture takes some seconds, as the year is lived beforehand with each of the {{ len(budgets) }} possible budgets.

# %%
lesson.million_yen()

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **講師メモ（8分）** ペアで予算を決めてから動かしてもらいます。5分で締め切り、各組の順位を板書しましょう。「全額を返信に」がいちばん下になるのを意外に思う人が多いはずです。理由は聞くだけにして、あとで答え合わせをします。予算を超えたという文が出た人には、先に減らすレバーを決めてもらいます。

# %% [markdown] lang="en" of="5bed896b" part="predict" tags=["trainer"]
# **For the trainer (8 minutes).** In pairs: agree on a budget first, then move. Stop after five minutes and write each pair's rank on the board. Many are surprised that "all on replies" ends at the bottom. Collect reasons, do not answer yet. Who is told that the budget is exceeded decides first what to take less of.

# %% [markdown] lang="ja" part="code" typed="the game's size and its error level"
# ## 中で動いているコード
#
# `bought`がお金をレバーの設定に直し、`crmkit.compare`が**同じ8,000人の1年を、同じ偶然のまま2回**生きます。違うのはレバーだけなので、差はそのまま効果です。`low`と`high`は、別の8,000人ならどこまで変わるかを示す95%区間です。

# %% [markdown] lang="en" of="f2b076e8" part="code" typed="the game's size and its error level"
# ## The code behind it
#
# `bought` turns money into settings of the levers; `crmkit.compare` lets **the same 8,000 customers live the year twice, on the same chance**. Nothing differs but the levers, so the difference is the effect. `low` and `high` say how far another 8,000 customers might differ (95%).

# %%
levers = lesson.bought(follow_up=250_000)
worlds = crmkit.compare("salon", levers, customers=8_000, weeks=52)
calls = worlds.effects.set_index("outcome")
calls.loc[["satisfaction", "orders", "net_amount", "cost", "profit"], ["baseline", "changed", "difference", "low", "high"]]

# %%
print(levers)
print(worlds)

# %% [markdown] lang="ja" part="code" typed="a yen amount of the rules"
# 1人あたりの売上（`net_amount`）は{{ calls.loc["net_amount", "difference"] :.0f}}円増え、電話代などの`cost`も{{ calls.loc["cost", "difference"] :.0f}}円増え、利益（`profit`）は{{ calls.loc["profit", "difference"] :.0f}}円増えました。点検と電話の費用は`cost`に入っています。窓口と広告の費用は入っていないので、あとで引きます。広告で来る人だけは生き直さず、「その年の新規客の平均×人数」で計算しました。

# %% [markdown] lang="en" of="ad0a27e6" part="code" typed="a yen amount of the rules"
# For one customer, sales (`net_amount`) rise by {{ calls.loc["net_amount", "difference"] :.0f}} yen, costs (`cost`: calls and the like) by {{ calls.loc["cost", "difference"] :.0f}} yen, and `profit` by {{ calls.loc["profit", "difference"] :.0f}} yen. Inspections and calls are in `cost`; the desk and the advertising are not, and are taken off afterwards. Only those won by advertising are not lived: they are reckoned as the number won times what a newcomer of that year brought.

# %% [markdown] lang="ja" part="exercise" typed="the question's own amounts"
# ## 問題1
#
# 25万円で窓口を増やすと、返信までの目安は9時間から4.5時間になります。8,000人のチェーン全体で、窓口の費用も引くと、**1年の利益は何円増える**でしょう。次のセルの`quicker`は、1人あたりの平均です。

# %% [markdown] lang="en" of="07d736d9" part="exercise" typed="the question's own amounts"
# ## Exercise 1
#
# For 250,000 yen the desk replies within about 4.5 opening hours instead of 9. For the whole chain of 8,000 customers, with the desk paid: **by how many yen does the year's profit grow?** `quicker` in the next cell has means for one customer.

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

# %% [markdown] lang="ja" part="chain"
# 上の段は人の流れ、下の段は強さです。電話が直接変えるのは満足度だけなので、そこから先の変化は満足が生んだものです。**主張は、この世界では正しい。ただし1年では小さい。** いちばん動いたのは紹介で、注文の増え方はわずかです。ほかの店でも同じ強さだとは言えません。

# %% [markdown] lang="en" of="ff76b66a" part="chain"
# Above is the flow of people, below the strength. Calls touch nothing directly but satisfaction, so whatever follows is the work of satisfaction. **In this world the claim is true. Within a year it is small, too.** Referrals move most, orders only a little. Nothing here says that the strengths are the same elsewhere.

# %% [markdown] lang="ja" part="chain" tags=["trainer"]
# **講師メモ（6分）** 図を出す前に「不満を持った人のうち、何割が口に出すと思いますか」と聞きます。たいてい多めに見積もります。そのうえで「苦情への返信だけを速くしても、届くのはこのうち何割？」と続けると、返信に全額を使った予算が伸びない理由に自分で気づきます。

# %% [markdown] lang="en" of="7966f85a" part="chain" tags=["trainer"]
# **For the trainer (6 minutes).** Before the picture, ask: "Of all unhappy customers, how many say so?" Guesses are usually too high. Then: "If only complaints are answered sooner, how many of these people does it reach?" The room finds out by itself why a budget all on replies does so little.

# %% [markdown] lang="ja" part="naive"
# ## 表だけを見たら
#
# シミュレーションがなければ、分析担当者はこう比べるでしょう。電話を一度でも受けた人と、一度も受けていない人。1年の注文の回数はどれだけ違うでしょうか。

# %% [markdown] lang="en" of="dbbb0f57" part="naive"
# ## If a table is all you have
#
# Without a simulation, an analyst would compare customers who were called at least once with those who never were. How many orders a year do they place?

# %%
orders = town.orders[town.orders["status"] != "cancelled"]
visits = orders.groupby("customer_id").size()
phoned = town.interactions.loc[town.interactions["kind"] == "follow_up", "customer_id"]
was_called = visits.index.isin(phoned)
naive = visits[was_called].mean() - visits[~was_called].mean()
print(visits[was_called].mean(), visits[~was_called].mean(), naive)

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
# Above, a year with a call after every visit is held against one with no calls at all. The gap in the table is {{ naive :.1f}} orders per customer, the true effect {{ truth["difference"] :.2f}}: **{{ naive / truth["difference"] :.0f}} times too much**. Calls follow visits, so frequent visitors get more calls: cause and effect were swapped. And yet the effect is not nothing: the interval is {{ truth["low"] :.2f}} to {{ truth["high"] :.2f}} orders.

# %% [markdown] lang="ja" part="together" typed="the game's steps"
# ## 頭打ちと足し算
#
# 返信に使うお金を25万円ずつ増やしてみます。待ち時間は毎回半分になるのに、増える売上は少しずつになります。9時間を半分にすると4.5時間早く返せますが、1時間ほどを半分にしても30分しか早くならないからです。

# %% [markdown] lang="en" of="815bb147" part="together" typed="the game's steps"
# ## What wears off, and what adds up
#
# Spend 250,000 yen more on replies, again and again. The wait is halved each time, but the sales that come on top get fewer. Half of nine hours is a long time for a customer; half of one hour hardly matters.

# %%
budgets = lesson.budgets()
others = budgets[["advertisement", "inspection", "follow_up"]].sum(axis=1)
only_reply = budgets[others == 0].sort_values("reply")
only_reply[["reply", "extra_sales", "extra_profit", "low", "high"]]

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

# %% [markdown] lang="ja" part="together" typed="an error level"
# 一緒に行った利益から、別々の利益の合計を引くと{{ overlap["value"] :,.0f}}円。点検で不具合を見つけた来店には、苦情も、速い返信もいらないからでしょうか。ただし95%区間は{{ overlap["low"] :,.0f}}～{{ overlap["high"] :,.0f}}円で、**この1年だけでは、重なりがあるとは言い切れません**。頭打ちはどのレバーでも、まず疑ってください。

# %% [markdown] lang="en" of="ba52af74" part="together" typed="an error level"
# All three together, less the sum of each alone: {{ overlap["value"] :,.0f}} yen. Perhaps because a visit whose defect was caught needs neither a complaint nor a quick reply. But the 95% interval is {{ overlap["low"] :,.0f}} to {{ overlap["high"] :,.0f}} yen: **one year is not enough to be sure that levers get in each other's way.** That an effect wears off, on the other hand, is worth suspecting of every lever.

# %% [markdown] lang="ja" part="together" tags=["trainer"]
# **講師メモ（6分）** 足し算を答えた人には「点検で不具合がなくなった人は、苦情を言いますか」と聞きます。次に区間を見て、0をまたいでいることに気づいた人を褒めましょう。もっともらしい説明があることと、測れたことは別です。早く終わった人には、広告と電話を一緒にした場合を`lesson.spend`で試してもらいます。

# %% [markdown] lang="en" of="2884ab13" part="together" tags=["trainer"]
# **For the trainer (6 minutes).** Whoever adds up: "Does somebody whose defect was caught complain?" Then look at the interval, and praise whoever notices that it holds zero. A good story is one thing, a measured effect another. Let the quick ones try advertising together with calls, with `lesson.spend`.

# %% [markdown] lang="ja" part="first"
# ## 誰にとって最良か
#
# {{ define:customer_first }}
#
# `extra_sales`は売上、`extra_profit`は利益、`stayed`は残ったお客さま、`silent`は減った「黙っている不満」。4つの目標で、最良の予算は同じでしょうか。

# %% [markdown] lang="en" of="898cb715" part="first"
# ## Best for whom?
#
# {{ define:customer_first }}
#
# `extra_sales` are sales, `extra_profit` is profit, `stayed` counts customers kept, `silent` the silent bad visits that no longer happen. Is one budget the best for all four?

# %%
goals = ["extra_sales", "extra_profit", "stayed", "silent"]
winners = budgets.loc[[budgets[goal].idxmax() for goal in goals]]
winners = winners.assign(best_for=goals).set_index("best_for")
winners[["advertisement", "inspection", "follow_up", "reply", *goals]]

# %% [markdown] lang="ja" part="first"
# 黙っている不満をいちばん減らす予算では、利益は{{ winners.loc["silent", "extra_profit"] :,}}円。利益だけを追う予算より{{ winners.loc["extra_profit", "extra_profit"] - winners.loc["silent", "extra_profit"] :,}}円少なくなります。「顧客第一なら必ずもうかる」とは言えません。だから、迷ったときにどちらを取るかを決めておきます。

# %% [markdown] lang="en" of="741bc8c3" part="first"
# The budget that spares customers most silent bad visits earns {{ winners.loc["silent", "extra_profit"] :,}} yen. That is {{ winners.loc["extra_profit", "extra_profit"] - winners.loc["silent", "extra_profit"] :,}} yen less than the one made for profit alone. So "customer first always pays" is not true here, and a firm should have decided beforehand which side it takes.

# %% [markdown] lang="ja" part="trap" typed="a rank"
# ## 落とし穴：たまたまの1位
#
# {{ len(budgets) }}通りの中の1位を、来年もそのまま使ってよいでしょうか。1位になった理由には、その年の運も入っています。1位と2位を、**別のお客さまの、別の3年**（`seed`を変えたもの）で比べます。予想してから実行してください。

# %% [markdown] lang="en" of="49cae580" part="trap" typed="a rank"
# ## A trap: first by luck
#
# Can next year's money simply go to the first of {{ len(budgets) }} budgets? Part of why it came first is that year's luck. Let us compare the first and the second in **three other years with other customers** (another `seed`). Predict, then run the cell.

# %%
levers = ["advertisement", "inspection", "follow_up", "reply"]
first, second = budgets[levers].to_dict("records")[:2]
print(first, second)
years = {seed: (lesson.spend(**first, seed=seed).profit, lesson.spend(**second, seed=seed).profit) for seed in (8, 9, 10)}
second_ahead = sum(profit[1] > profit[0] for profit in years.values())
{seed: [round(profit) for profit in both] for seed, both in years.items()}

# %% [markdown] lang="ja" part="trap" typed="a rank"
# 3年のうち{{ second_ahead }}年は、もとの2位のほうが上でした。もとの1位の区間は{{ budgets["low"].iloc[0] :,}}～{{ budgets["high"].iloc[0] :,}}円。これほど広いのに、上位の差はわずかでした。**多くの候補の中の1位には、運でもなれます。** これほど近い予算は「同じくらい良い」と考え、続けやすさで選びましょう。

# %% [markdown] lang="en" of="12619c9b" part="trap" typed="a rank"
# In {{ second_ahead }} of the 3 years the former second was ahead. The winner's interval had been {{ budgets["low"].iloc[0] :,}} to {{ budgets["high"].iloc[0] :,}} yen: that wide, with small gaps at the top. **To be first of many, luck may be enough.** Treat budgets this close together as about equally good, and choose the one you can keep up.

# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# **講師メモ（5分）** 「では、どれを選べば？」と聞かれたら、下位との差を見せます。上位どうしは区別できなくても、全額を返信に使う予算が悪いことは、はっきり分かります。シミュレーションでは年を増やせますが、店では増やせません。だから小さく試し、比べられる形で広げます。

# %% [markdown] lang="en" of="d1e781c7" part="trap" tags=["trainer"]
# **For the trainer (5 minutes).** If somebody asks "So which one?", point to the bottom of the list. The top cannot be told apart, but that all on replies is bad is quite clear. A simulation can live more years, a shop cannot: it tries in small, and widens in a way that can be compared.

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ご自分のデータでも
#
# ここから下は、ご自分のデータでも動きます。注文（`orders`）とアンケートの回答（`survey_responses`）の表をフォルダーに入れ、その名前を`MY_FILE`に書いて、このセルから下を実行し直してください。足りない表があれば、文で分かります。現実の店では、レバーを戻して1年をやり直すことはできません。できるのは観察だけです。

# %% [markdown] lang="en" of="30c6a0f8" part="shop" typed="file name is the reader's own"
# ## With your own data, if you like
#
# From here on the lesson runs on your own data too. Put your tables of orders (`orders`) and survey answers (`survey_responses`) into a folder, write its name into `MY_FILE`, and run the cells from here on again. If a table is missing, a sentence says which. No real shop can live a year again: what follows is observation only.

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
# 1行が、満足度の回答1件です。`again`は回答のあと90日以内にまた注文したか、`observed`は90日間を見届けられたかを表します。見届けられた回答で、**また注文した人の割合は、満足した人のほうがどれだけ高い**でしょう（差）。

# %% [markdown] lang="en" of="9218facb" part="exercise" typed="the question's own window"
# ## Exercise 3
#
# Each row is one answer about satisfaction. `again`: whether the customer ordered within 90 days after it; `observed`: whether the data reach that far. Among answers that were observed, **by how much is the share who ordered again higher for the satisfied?** (A difference.)

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
# 常連はもともと満足と答えやすく、もともとまた来ます。そこで、回答までの注文の回数が近い人どうしで比べます。人数（`n`）が少ないところでは、差が逆になることもあります。**差が残っても、まだ効果とは言えません。** 残る違いを、この表は知らないからです。

# %% [markdown] lang="en" of="26aeb6b2" part="alike" typed="the bands of the next cell"
# ## Compare like with like
#
# Regulars tend to say that they are satisfied, and they come back anyway. So compare customers with about as many orders before their answer. Where there are few (`n`), the gap may even turn round. **A gap that remains is still not an effect:** the table does not know what else differs.

# %%
followed = answers[answers["observed"]].copy()
followed["orders_so_far"] = followed["orders_before"].clip(upper=4)
followed.groupby(["orders_so_far", "satisfied"])["again"].agg(share="mean", n="size")

# %% [markdown] lang="ja" part="growth"
# ## 成長を分けて見る
#
# {{ define:business_growth }}
#
# 次の表は、直近の半年のお客さまの出入りです。120日以内に注文した人を「今のお客さま」と数えます。

# %% [markdown] lang="en" of="0110e245" part="growth"
# ## Take growth apart
#
# {{ define:business_growth }}
#
# The next table has the customers who came and went in the last half year. Whoever ordered within 120 days counts as a present customer.

# %%
crmkit.customer_base_movements(shop.orders, **when.half_year, active_days=120, every="1mo")

# %%
print(crmkit.net_sales(shop.orders, **when.half_year))

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 予算は、費用をすべて引いた利益で比べます。売上は利益ではありません
# - 効果は足し算どおりとは限らず、やがて頭打ちになります
# - 「満足が成長を生む」は主張です。効く道も時間も、測らなければ分かりません
# - 表の差を効果と読むと、桁違いに外れることがあります
# - たくさんの候補の1位は、運かもしれません

# %% [markdown] lang="en" of="39c4609b" part="takeaway"
# ## To take away
#
# - Compare budgets by profit after all costs. Sales are not profit
# - Effects wear off, and need not add up
# - "Satisfaction makes a business grow" is a claim: which way it works and how long it takes has to be measured
# - Who reads a gap in a table as an effect can be wrong by far
# - The first of many candidates may be first by luck

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# まず、このレッスンの最初にあるような値段表を作りましょう。レバー、かかるお金、どこから分かったか、の三つです。次に、いちばん確かめたい仮定を一つ選び、対象を**くじで**二つに分けて小さく試します。分け方さえ公平なら、差がそのまま効果です。アンケートがまだなければ、会計のあとの一問から始められます。

# %% [markdown] lang="en" of="00912481" part="own_data"
# ## With your own data
#
# First make a price list like the one at the top: the lever, what it costs, where you know it from. Then pick the one assumption you most want to check and try it in small, on customers divided in two **by lot**. If the dividing is fair, the difference is the effect. No survey yet? One question after paying is a beginning.
