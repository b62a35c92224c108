# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: セグメントとターゲット, en: Segments and targets}
#     theme: management
#     objectives:
#       ja:
#         - RFMの得点を付け、どちらの向きが良いかを間違えずに読める
#         - 案内してよい人だけを、送る相手として数えられる
#         - 反応率と効果（手紙が増やした分）の違いを説明できる
#         - たくさんのセグメントを比べて一番を選ぶと、なぜ期待外れになるかを言える
#       en:
#         - Score customers by RFM, and read the scores the right way round
#         - Count as targets only those who agreed to be written to
#         - Explain how a response rate differs from an effect, the part that a letter caused
#         - Say why the best of many segments usually disappoints
#     prerequisites:
#       ja: 割合の引き算。Python は、例をまねて1行書ければ十分です。レッスン08の「区間」を知っていると楽です
#       en: Subtracting percentages, and writing a line of Python after an example. Lesson 08 helps with intervals
#     teach_minutes: 28
#     exercise_minutes: 20
#     cut_if_late: [personal, needs]
#     tables: [orders, customers, campaign_sends]
#     glossary: [customer_segmentation, segmentation_demographic, targeting, needs_analysis, personalization]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「切手は500枚。割引クーポンを付けて手紙を出します。やっぱり、いちばんのお得意様に送るのがいいですよね？」
#
# お得意様は、たしかによく反応してくれます。でも、手紙がなくても買ってくれた人かもしれません。このレッスンでは、**反応した人**と**手紙のおかげで買った人**を分けて数えます。

# %% [markdown] lang="en" of="23beb81e" part="question"
# ## The manager asks
#
# "I have 500 stamps, and every letter carries a discount coupon. Surely they should go to our very best customers?"
#
# The best customers do respond. But perhaps they would have bought without a letter. In this lesson we count two things apart: **who responded**, and **who bought because of the letter**.

# %% [markdown] lang="ja" part="question" tags=["trainer"]
# **ここまで4分。** 「皆さんなら誰に送りますか」と尋ね、答えを黒板に並べます。たいてい「お得意様」「最近来た人」「しばらく来ていない人」が出ます。理由も一言ずつ書いておき、最後に見直しましょう。まだ正解は言いません。

# %% [markdown] lang="en" of="8ca5885e" part="question" tags=["trainer"]
# **Four minutes up to here.** Ask whom they would write to, and list the answers on the board with one reason each. You will hear "the best", "the recent ones" and "those we have not seen for a while". Do not say yet which is right; come back to the list at the end.

# %%
from crmkit.lessons import segments_and_targets as lesson
from crmkit.plots import plot_campaign_lift, plot_rfm, plot_targeting_lift

store = lesson.shop()

# %% [markdown] lang="ja" part="predict" typed="the widget's default, no result"
# ## 予想してから動かす
#
# 舞台はシミュレーションの通販店で、クーポンは{{ lesson.COUPON :.0%}}引きです。シミュレーションなので、同じ人に**手紙を送った世界**と**送らなかった世界**を両方のぞけます。現実には、どちらか一方しか見えません。
#
# まず、RFMの得点が高い500人に送ります。RFMは、最近買ったか（R）、よく買うか（F）、いくら使ったか（M）の得点で、ここでは三つの合計が高い順に選びます。**手紙がなければ来なかった注文**は何件か、予想してください。

# %% [markdown] lang="en" of="28771788" part="predict"
# ## Predict, then move
#
# This mail-order shop is simulated; its coupon takes {{ lesson.COUPON :.0%}} off. Because it is simulated, we can look into two worlds: one in which a customer **gets the letter**, and one in which the same customer **does not**. In real life you only ever see one of them.
#
# Begin with the 500 best RFM scores. RFM scores how recently somebody bought (R), how often (F) and for how much money (M); here we go by the sum of the three. Predict how many **orders would not have come without a letter**.

# %%
lesson.whom_to_write()

# %% [markdown] lang="ja" part="predict"
# 灰色は、手紙がなくても来た分です。お得意様ほど灰色が長く、その人たちもクーポンを使います。±と細い線は**区間**、つまり、選ばれる人がたまたま違えばこのくらい変わる、という幅です。
#
# 選び方、手紙の数、切手代、粗利（注文から商品の仕入れ値などを引いた、店に残るお金。クーポンの分はまだ引きません）を変え、**順番が入れ替わるところ**を探しましょう。粗利を上げるとRFMは無作為を追い抜き、手紙も増やすと、一番まで入れ替わります。手紙の効き目をこの店のメールの{{ lesson.ON_PAPER }}倍としたのは、仮定です。

# %% [markdown] lang="en" of="2e18a703" part="predict"
# Grey would have come anyway. The better the customers, the longer the grey, and these people use the coupon too. The ± and the thin lines are **intervals**: how far a figure could move if chance had put other people on the list.
#
# Now change the rule, the letters, the stamp and the margin (what an order leaves in the till once the goods are paid for, before the coupon), and look for **where the rules change places**: with a higher margin RFM overtakes chance, with more letters as well another rule wins. That a letter works {{ lesson.ON_PAPER }} times as strongly as this shop's e-mails is an assumption.

# %% [markdown] lang="ja" part="predict" tags=["trainer"] typed="settings to try, no result"
# **7分。** 予想が大きく外れた人に「どの人を数えましたか」と聞きます。多くの人は、反応した人を全部数えています。
#
# 「お得意様に送るのは無駄だ」という極端な結論も出ます。粗利を上げてもらい、それでも赤字かを見てもらいましょう。勝ち負けは、粗利と手紙の数しだいです（1,000通、4,000円で比べてもらいましょう）。線が大きく重なる選び方どうしは、どちらが良いとも言えません。

# %% [markdown] lang="en" of="de50cfaa" part="predict" tags=["trainer"] typed="settings to try, no result"
# **Seven minutes.** Ask those who were far off whom they had counted: most count everybody who responds.
#
# Someone will conclude that writing to the best is always a waste. Let them raise the margin and look again: which rule wins hangs on the margin and on how many letters go out (try 1,000 letters and 4,000 yen). Where the lines of two rules overlap widely, nobody can say that one is better.

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# RFMは1行で付きます。得点は1〜5点で、**5がいちばん良い5分の1**です。`recency_days`は最後の注文からの日数で、**少ないほど**`r`の得点が高くなります。`frequency`は注文した日の数、`monetary`は使った金額（円）です。
#
# 同じ値の人は同じ得点になります。一度しか買っていない人が多い店では、誰も取らない得点が出ます。

# %% [markdown] lang="en" of="6499d9f6" part="code"
# ## The code behind it
#
# One line scores all customers. Scores run from 1 to 5, and **5 is the best fifth**. `recency_days` counts the days since the last order: **few days, high `r`**. `frequency` is the number of days with an order, `monetary` the yen spent.
#
# Equal customers get equal scores. Where many have bought only once, nobody gets some of the scores.

# %%
scores = crmkit.rfm(store.orders)
scores.head()

# %% [markdown] lang="ja" part="definition"
# ## 言葉をそろえる
#
# {{ define:customer_segmentation }}
#
# {{ define:targeting }}

# %% [markdown] lang="en" of="f8982082" part="definition"
# ## Naming things
#
# {{ define:customer_segmentation }}
#
# {{ define:targeting }}

# %% [markdown] lang="ja" part="definition"
# RFMは行動による分け方です。ほかに、年代や地域で分ける{{ term:segmentation_demographic }}があります。
#
# 次の表は、年代（`age_band`、`NaN`は生年月日の分からない人）ごとの顧客数、一人あたりの売上（円）、リピート率（二日以上注文した人の割合）とその区間です。差は、送り方を変えるほど大きいでしょうか。

# %% [markdown] lang="en" of="29a7664b" part="definition"
# RFM groups people by what they do. {{ Term:segmentation_demographic }} groups them by who they are, such as their age or region.
#
# For each `age_band` (`NaN`: date of birth unknown) the table shows the customers, their sales per head in yen, and the repeat rate (the share who ordered on two or more days) with its interval. Do the rows differ enough to treat them differently?

# %%
by_age = crmkit.segment_summary(store.orders, store.customers, by="age_band")
by_age[["age_band", "customers", "sales_per_customer", "repeat_rate", "repeat_low", "repeat_high"]].round(2)

# %% [markdown] lang="ja" part="definition"
# リピート率の区間は、どの年代も重なっています。上の図の「{{ lesson.YOUNG }}歳未満」も、無作為とほとんど同じでした。この店では、年齢は買い方に影響しない設定だからです。実際の店では、測って確かめましょう。

# %% [markdown] lang="en" of="4c4e9eab" part="definition"
# The intervals of the repeat rate all overlap, and in the picture above "under {{ lesson.YOUNG }}" did hardly better than chance. In this simulation age has no influence on buying. In a real shop, measure it.

# %% [markdown] lang="ja" part="definition" tags=["trainer"]
# **5分（RFMのコードも含みます）。** 表をすぐ読み上げず、「年代で送り方を変えますか」と聞き、区間が重なることに自分で気づいてもらいます。「最後の注文が新しい人の`r`はいくつ？」と全員に一度答えてもらうと、問題1が楽になります。

# %% [markdown] lang="en" of="e0594e60" part="definition" tags=["trainer"]
# **Five minutes, with the code of RFM.** Do not read the table out. Ask whether they would write differently to each age, and let them notice that the intervals overlap. Have everybody say once which `r` a recent customer has: it makes Exercise 1 easier.

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ここからはどの店でも
#
# **ご自分のデータで試すときは**、次のセルの`MY_FILE`に、ファイルかフォルダーの名前を書いて、ここから下を実行し直してください。案内の記録や顧客の声がなければ、この店のものを借り、そのことを表示します。文章の中の数は、この店のものです。

# %% [markdown] lang="en" of="7fff4a19" part="shop" typed="file name is the reader's own"
# ## From here on, any shop
#
# **To try your own data**, write the name of a file or folder into `MY_FILE` and run the cells from here on again. If there is no record of mailings or no feedback, the lesson lends you that of the simulated shop and says so. The numbers in the prose stay the simulated shop's.

# %%
MY_FILE = None

shop = crmkit.load(MY_FILE) if MY_FILE else lesson.shop()
letters = lesson.start(shop)
letters

# %%
scores = crmkit.rfm(letters.orders, as_of=letters.as_of)
lesson.show(plot_rfm(scores), lesson.say_rfm(scores))

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# `scores`から、**`r`も`f`も4以上**の「優良な顧客」を取り出して`best`とし、人数を数えましょう。
#
# 条件に合う行は、たとえば`scores[scores["m"] == 5]`と書いて取り出します。条件が二つなら、それぞれをかっこで囲み、間に`&`（両方とも）を書きます。行の数は`len(…)`で分かります。

# %% [markdown] lang="en" of="f284ac1c" part="exercise"
# ## Exercise 1
#
# Take the best customers from `scores`, those with **both `r` and `f` of 4 or more**. Call them `best`, and count them.
#
# Rows that meet a condition are taken like this: `scores[scores["m"] == 5]`. Two conditions each stand in brackets, with `&` (both) between them. `len(…)` counts rows.

# %% part="exercise"
answer_1 = ...
# solution
best = scores[(scores["r"] >= 4) & (scores["f"] >= 4)]
answer_1 = len(best)

# %%
lesson.check("06.1", answer_1)

# %% [markdown] lang="ja" part="consent"
# ## 送ってよいのは誰か
#
# 得点がどれほど高くても、案内に同意した人（`email_opt_in`がTrueの人）にしか送りません。あとで配信を断った人（`opted_out_at`に日付がある人）も外します。`isna()`は「空か」を調べます。
#
# crmkit のデータでは同意が1列なので、ここではメールの同意を手紙にも使います。実際の店では、手紙とメールの同意を分けて確かめましょう。

# %% [markdown] lang="en" of="ef39e5f5" part="consent"
# ## Who may be written to?
#
# However high the score, only those who agreed (`email_opt_in` is True) get a letter, and nobody who opted out later (`opted_out_at` holds a date; `isna()` asks whether it is empty).
#
# These data record one agreement only, for e-mail, and we use it for letters as well. In a real shop check the two separately.

# %%
people = letters.customers
may = people[people["email_opt_in"] & people["opted_out_at"].isna()]
len(people), len(may)

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# 問題1の`best`のうち、**案内してよい人**（`may`にいる人）は何人ですか。
#
# `A.isin(B)`は、Aの一人ひとりがBの中にいるかを調べ、`.sum()`は「いる」人を数えます。どちらの表にも`customer_id`があります。

# %% [markdown] lang="en" of="313ddcab" part="exercise"
# ## Exercise 2
#
# How many of your `best` customers **may be written to**, that is, are in `may`?
#
# `A.isin(B)` asks of each in A whether it is in B, and `.sum()` counts those that are. Both tables have a `customer_id`.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = best["customer_id"].isin(may["customer_id"]).sum()

# %%
lesson.check("06.2", answer_2)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **10分。** つまずくのは`&`の前後のかっこと、`&`の代わりに`and`と書くことです。問題1が合っていないと問題2も合わないので、先に問題1の確認を見てください。
#
# 「同意していない優良な顧客がもったいない」という声が出たら、「同意をもらう方法は？」と返しましょう。送ることではありません。

# %% [markdown] lang="en" of="55f37942" part="exercise" tags=["trainer"]
# **Ten minutes.** People stumble over the brackets around `&`, or write `and`. Exercise 2 needs the `best` of Exercise 1, so look at that check first.
#
# If someone is sorry for the good customers without consent, ask how one could win their consent. Writing to them is not the way.

# %% [markdown] lang="ja" part="effect"
# ## 反応率と効果
#
# 現実の店では、二つの世界は見えません。代わりに**くじ**を使います。案内してよい人の一部をくじで外し、手紙を送りません。この人たちが対照群（`control`）です。手紙を送った人（`treatment`、図では「対象にした群」）と、注文した割合を比べた差が、手紙の効果です。
#
# 次の表は、案内ごと、一人ごとに1行です。`arm`がくじの結果、日数と回数は案内の日（`day`）のものです。

# %% [markdown] lang="en" of="3d12c612" part="effect"
# ## Response and effect
#
# A real shop cannot see two worlds. It draws **lots** instead: some of those who may be written to are left out by chance. They are the control group (`control`; the picture says "held out"). How many more ordered among those with a letter (`treatment`) is the effect of the letter.
#
# The table has one row for each customer and mailing. `arm` is what the lot said; days and orders are those on the `day` of the mailing.

# %%
tests = letters.tests
tests[["customer_id", "day", "arm", "recency_days", "frequency"]].head()

# %% [markdown] lang="ja" part="effect"
# 案内の日の状態で、四つに分けます。注文が{{ lesson.OFTEN }}度以上の常連（`regular`）か、それより少ない人（`rare`）か。{{ lesson.QUIET_DAYS }}日以上ごぶさた（`quiet`）か、そうでない（`active`）か。
#
# `treatment`と`control`は、56日（`horizon_days`）以内に注文した割合、`value`はその差、`low`〜`high`は差の区間、`n`はのべ人数です。

# %% [markdown] lang="en" of="07ebb8f6" part="effect"
# As they were on that day, customers fall into four groups: `regular` ({{ lesson.OFTEN }} orders or more) or `rare`, and `quiet` (no order for {{ lesson.QUIET_DAYS }} days) or `active`.
#
# `treatment` and `control` are the shares who ordered within 56 days (`horizon_days`), `value` is the difference with its interval from `low` to `high`, `n` the number of rows.

# %%
tests["group"] = lesson.grouped(tests)
by_group = crmkit.campaign_lift(tests, orders=letters.test_orders, horizon_days=56, by="group")
by_group[["group", "n", "treatment", "control", "value", "low", "high"]]

# %%
shares = by_group.set_index("group").reindex(lesson.GROUPS)
lesson.show(plot_campaign_lift(by_group), lesson.say_lift(by_group))

# %% [markdown] lang="ja" part="effect"
# いまも買っている常連は、手紙を送った人の{{ shares.loc["regular_active", "treatment"] :.0%}}が注文し、反応率では断然一番です。でも、手紙なしでも{{ shares.loc["regular_active", "control"] :.0%}}が注文しました。ごぶさたの常連の反応率は{{ shares.loc["regular_quiet", "treatment"] :.0%}}ですが、差は{{ 100 * shares.loc["regular_quiet", "value"] :.1f}}ポイント。いまの常連の{{ 100 * shares.loc["regular_active", "value"] :.1f}}ポイントと区間が大きく重なり、どちらが上とも言えません。
#
# はっきり違うのは、手紙がなくても注文するのにクーポンを受け取る人の数です。手紙100通のうち、いまの常連なら約{{ 100 * shares.loc["regular_active", "control"] :.0f}}人、ごぶさたの常連なら約{{ 100 * shares.loc["regular_quiet", "control"] :.0f}}人です。

# %% [markdown] lang="en" of="6a8ac079" part="effect"
# Of the active regulars {{ shares.loc["regular_active", "treatment"] :.0%}} with a letter ordered: by response rate they win easily. But {{ shares.loc["regular_active", "control"] :.0%}} ordered without one. Of the quiet regulars only {{ shares.loc["regular_quiet", "treatment"] :.0%}} responded, yet the difference is {{ 100 * shares.loc["regular_quiet", "value"] :.1f}} points, against {{ 100 * shares.loc["regular_active", "value"] :.1f}}. The intervals overlap widely: neither wins.
#
# What does differ is how many coupons go to people who would have ordered anyway: about {{ 100 * shares.loc["regular_active", "control"] :.0f}} in every hundred letters to active regulars, {{ 100 * shares.loc["regular_quiet", "control"] :.0f}} in every hundred to quiet ones.

# %% [markdown] lang="ja" part="exercise"
# ## 問題3
#
# 手紙は、**ごぶさたの常連**（`"regular_quiet"`）のうち注文した人の割合を、56日間でどれだけ増やしましたか。
#
# `shares`は、上の表をグループの名前で引けるようにしたものです。たとえば`shares.loc["rare_quiet", "n"]`は、`"rare_quiet"`の`n`です。

# %% [markdown] lang="en" of="4a4d55dc" part="exercise"
# ## Exercise 3
#
# By how much did the letter raise the share of **quiet regulars** (`"regular_quiet"`) who ordered within 56 days?
#
# `shares` is the table above, to be looked up by group: `shares.loc["rare_quiet", "n"]` is the `n` of `"rare_quiet"`.

# %% part="exercise"
answer_3 = ...
# solution
answer_3 = shares.loc["regular_quiet", "value"]

# %%
lesson.check("06.3", answer_3)

# %% [markdown] lang="ja" part="exercise"
# ## クイズ
#
# 答えを一つ選んで「答える」を押しましょう。

# %% [markdown] lang="en" of="505ab47a" part="exercise"
# ## A quiz
#
# Choose one answer and press "Answer".

# %% part="exercise"
lesson.quiz("06.4")

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **10分（反応率と効果の表も含みます）。** 反応率を答える人がいちばん多いはずです。「その人たちは、手紙がなければ来なかったのですか」と聞き、`control`の列を指さしてもらいましょう。
#
# 「対照群に送らないのは損だ」という反対には、「送らない人がいなければ、効いたかどうかを永久に知らないままです」と答えます。

# %% [markdown] lang="en" of="95e49600" part="exercise" tags=["trainer"]
# **Ten minutes, with the tables above.** Most will answer with the response rate. Ask whether these people would have stayed away without a letter, and let them point at the column `control`.
#
# Against "leaving people out loses sales": without them nobody will ever know whether the letter works.

# %% [markdown] lang="ja" part="curve"
# ## 立派すぎる曲線
#
# 得点の良し悪しは、よくリフトで測ります。得点の高い人が、無作為に選んだ人の何倍反応したかです。ここでの反応は「56日以内の注文」です。手紙を**送らなかった人だけ**で、RFMの合計点のリフトを測ってみます（`share`は、上から選ぶ人の割合）。

# %% [markdown] lang="en" of="c396ef32" part="curve"
# ## A curve that looks too good
#
# A score is often judged by its targeting lift: how many times as often those at the top respond as people chosen at random. A response is here an order within 56 days. Let us measure the lift of the sum of the RFM scores (`share` is how many are taken from the top) among those who got **no letter at all**.

# %%
unwritten = tests[tests["arm"] == "control"]
scored = lesson.ordered(unwritten, letters.test_orders)
scored["score"] = scored["r"] + scored["f"] + scored["m"]
lift = crmkit.targeting_lift(scored, share=0.15, response="ordered")
gains = crmkit.cumulative_gains(scored, response="ordered")
lesson.show(plot_targeting_lift(gains), lesson.say_top(lift))

# %% [markdown] lang="ja" part="curve"
# リフトは{{ float(lift) :.1f}}倍、曲線も立派です。**けれど、この人たちは誰も手紙を受け取っていません。** RFMは「よく買う人」を当てただけで、「手紙で動く人」を当てたのではないのです。この曲線を見せられたら、「対照群ではどうですか？」と聞きましょう。

# %% [markdown] lang="en" of="40f724f6" part="curve"
# A lift of {{ float(lift) :.1f}} and a handsome curve. **Yet none of these people got the letter.** RFM has found those who buy, not those whom a letter moves. When somebody shows you such a curve, ask: what does it look like in the control group?

# %% [markdown] lang="ja" part="curve" tags=["trainer"]
# **3分。** 曲線だけを先に見せて「この得点を使いたいですか」と聞きます。手が挙がってから、誰にも手紙を送っていないことを思い出してもらいましょう。次の「誰に、の次は、何を」は、合わせて3分です。

# %% [markdown] lang="en" of="83c29b1a" part="curve" tags=["trainer"]
# **Three minutes.** Show the curve alone and ask who would use this score. When the hands are up, let them remember that nobody here had a letter. What to write, the next two tables, takes another three.

# %% [markdown] lang="ja" part="personal"
# ## 誰に、の次は、何を
#
# 手紙の中身を相手に合わせるのが、{{ term:personalization }}です。この店では、合わせた文面を誰に送るかもくじで決めたので、二つの差（`value`）をそのまま比べられます。人が選んで送った記録では、比べられません。

# %% [markdown] lang="en" of="1221699e" part="personal"
# ## First to whom, then what
#
# To fit the letter to its reader is {{ term:personalization }}. In this shop lots also decided who got a fitted text, so the two differences (`value`) can be compared. Had somebody picked the readers, they could not.

# %%
personal = crmkit.campaign_lift(tests, orders=letters.test_orders, horizon_days=56, by="is_personalized")
personal[["is_personalized", "treatment", "control", "value", "low", "high"]]

# %% [markdown] lang="ja" part="personal"
# 差は、合わせた文面（`True`）が{{ 100 * personal["value"].iloc[-1] :.1f}}ポイント、そうでない文面が{{ 100 * personal["value"].iloc[0] :.1f}}ポイント。区間は重なりません。この店では、同じ切手でも、文面しだいで効き目が違いました。

# %% [markdown] lang="en" of="59c2a9dd" part="personal"
# The fitted text (`True`) has an effect of {{ 100 * personal["value"].iloc[-1] :.1f}} points, the other one of {{ 100 * personal["value"].iloc[0] :.1f}}, and the intervals do not overlap. In this shop the same stamp did more with the right words.

# %% [markdown] lang="ja" part="needs"
# 何を書けばよいかは、顧客の声に聞きます。{{ term:needs_analysis }}では、要望を件数で並べます。`need_code`は要望の種類です（`gift_wrapping`はギフト包装、`delivery_time_slot`は配達時間の指定）、`share`は全体に占める割合です。要望のない声は除きました。**件数が多いことと、大事なことは別です**。声を寄せる人は、顧客の一部にすぎません。

# %% [markdown] lang="en" of="17185468" part="needs"
# Customers tell you what to write about. {{ Term:needs_analysis }} lists what they ask for, by count (`share`: of all wishes). Feedback without a wish, that is, an empty `need_code`, is left out here. **Often is not the same as important**, and those who speak up are only some of your customers.

# %%
wishes = letters.feedback.dropna(subset="need_code")
crmkit.topic_counts(wishes, by="need_code").head(5)[["need_code", "count", "share", "low", "high"]]

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：たくさん比べて、一番を選ぶ
#
# 手紙の効果を「生まれ月」で分けてみます。効くはずのない分け方です。くじで送る人を決めた案内を、前半と後半に分け、まず前半だけを見ます（左の数が生まれ月です）。

# %% [markdown] lang="en" of="b11c2592" part="trap"
# ## A trap: compare many, pick the best
#
# Let us split the effect of the letters by month of birth, which should make no difference whatever. The mailings are cut into an earlier and a later half; look at the earlier ones first. Down the left stand the months.

# %%
earlier, later = lesson.birth_months(letters)
lesson.show(plot_campaign_lift(earlier), lesson.say_lift(earlier))

# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# **4分。** 図を見せて「次の手紙を何月生まれに送りますか」と聞きます。理由まで作ってくれる人が必ずいます（「誕生月の直前は…」）。その理由を褒めてから、次のセルを実行しましょう。

# %% [markdown] lang="en" of="eb00f78c" part="trap" tags=["trainer"]
# **Four minutes.** Show the picture and ask to which month of birth the next letters should go. Somebody will even find a reason. Praise it, then run the next cell.

# %%
halves = earlier.merge(later, on="birth_month", suffixes=("_earlier", "_later"))
halves = halves.sort_values("value_earlier", ascending=False)
halves[["birth_month", "value_earlier", "value_later"]].head(3)

# %% [markdown] lang="ja" part="trap"
# 前半の上位三つです（`_earlier`が前半、`_later`が後半）。一番だった{{ int(halves["birth_month"].iloc[0]) }}月生まれの効果は、前半の{{ 100 * halves["value_earlier"].iloc[0] :.1f}}ポイントから、後半は{{ 100 * halves["value_later"].iloc[0] :.1f}}ポイントに。全部の月の平均（後半は{{ 100 * later["value"].mean() :.1f}}ポイント）の近くまで下がりました。
#
# 一番になるには、たまたまの幸運も要ります。幸運が次の回も続くとはかぎりません（勝者の呪い）。**たくさん比べたら、選んだものだけをもう一度試しましょう。**

# %% [markdown] lang="en" of="5ee262a0" part="trap"
# These are the best three of the earlier half. Month {{ int(halves["birth_month"].iloc[0]) }} won it with an effect of {{ 100 * halves["value_earlier"].iloc[0] :.1f}} points. In the later half it has {{ 100 * halves["value_later"].iloc[0] :.1f}}, back near the mean of all months ({{ 100 * later["value"].mean() :.1f}}).
#
# To come first one needs luck as well, and luck does not last: the winner's curse. **If you have compared many, test the one you chose once more.**

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - よく反応する人と、手紙で動く人は別です。効果と、残るお金で選びましょう
# - 効果は、くじで外した人たちとの差で測ります
# - 得点は5がいちばん良い。向きを先に確かめましょう
# - 同意していない人には、得点が高くても送りません
# - 一番のセグメントは、もう一度試してから信じましょう

# %% [markdown] lang="en" of="accd3183" part="takeaway"
# ## To take away
#
# - People who respond and people whom a letter moves are not the same: choose by effect, and by what it leaves in the till
# - An effect is a difference from people left out by lot
# - 5 is the best score: check the direction first
# - Nobody without consent gets a letter, whatever the score
# - Test the best of many segments again before you believe it

# %% [markdown] lang="ja" part="takeaway" tags=["trainer"]
# **2分。** 最初に黒板に並べた「誰に送るか」に戻り、それぞれに「反応が多いから？　効果があるから？」と書き添えてもらいます。最後に一人ずつ、次の案内で何人をくじで外すかを言って終わりましょう。

# %% [markdown] lang="en" of="b1011076" part="takeaway" tags=["trainer"]
# **Two minutes.** Back to the list on the board: beside each answer write "because they respond?" or "because it works?". Everyone ends by saying how many people they will leave out by lot next time.

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# RFMには注文だけで足ります。同意は`customers`の`email_opt_in`、効果には`campaign_sends`の`arm`（`treatment`か`control`）と、どの案内をいつ送ったか（`campaign_id`と`sent_at`）が必要です。まだ対照群がない店は、**次の案内から**送る前にくじを引き、外れた人も名簿に残しましょう。そうすれば、次の回から効果を測れます。

# %% [markdown] lang="en" of="35d65dcc" part="own_data"
# ## With your own data
#
# RFM needs orders only. Consent is `email_opt_in` in `customers`; for effects you need `arm` in `campaign_sends` (`treatment` or `control`), and which mailing went out when (`campaign_id`, `sent_at`). If you have never had a control group, draw lots **before your next mailing** and keep those left out on the list too. From then on you can measure.
