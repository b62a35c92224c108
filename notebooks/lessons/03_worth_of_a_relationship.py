# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: 関係の価値, en: The worth of a relationship}
#     theme: relationship
#     objectives:
#       ja:
#         - 「獲得は維持の何倍か」を、費用の範囲と期間を言ったうえで計算できる
#         - 顧客獲得単価（CAC）の分子と分母を説明できる
#         - 新規客1人がもたらす粗利を、一度しか来なかった人も含めて計算し、何か月で費用を回収できるかを言える
#         - 平均の費用と、次の1円が生む利益とを区別できる
#       en:
#         - Work out how many times as much winning costs as keeping, and say which costs and months went in
#         - Explain what is divided by what in a customer acquisition cost (CAC)
#         - Work out the gross profit of a newcomer, including those who came only once, and say after how many months it has paid back the cost of winning one
#         - Tell an average cost from what the next yen brings
#     prerequisites:
#       ja: 割り算と割合。Python は、例をまねて1行書ければ十分です。レッスン08が先だと、維持率と区間の見方が分かります
#       en: Division and shares; of Python, no more than copying a line and changing it. Lesson 08 helps with retention and intervals
#     teach_minutes: 30
#     exercise_minutes: 20
#     cut_if_late: [stable, business, tenths]
#     tables: [orders, order_items, costs]
#     glossary: [cac, clv, one_to_five_rule, retention_cost_advantage, roi, stable_revenue]
# ---

# %% [markdown] lang="ja" part="question" typed="the claim's own number"
# ## 店長の質問
#
# 「講習会で『新規のお客さまを迎えるには、常連をつなぎとめる5倍のお金がかかる』と聞きました。広告はやめて、全部常連さんに使うべきでしょうか？」
#
# よく聞く話です。でも、どの店の、どの費用で、何か月分を比べた5倍なのでしょう。このレッスンでは、帳簿から自分で計算します。

# %% [markdown] lang="en" of="1dff5216" part="question" typed="the claim's own number"
# ## The manager asks
#
# "At a seminar they told us that winning a new customer costs five times as much as keeping one. Should I stop advertising and spend it all on my regulars?"
#
# One hears it everywhere. But five times in which shop, counting which costs, over how many months? In this lesson you work it out from the books.

# %% [markdown] lang="ja" part="question" tags=["trainer"]
# **ここまで3分。** 「5倍」を聞いたことがある人に手を挙げてもらい、「どこで読みましたか」「何の費用でしたか」と尋ねます。出どころを言える人は、まずいません。疑うためではなく、自分で測るための出発点だと伝えましょう。

# %% [markdown] lang="en" of="13e4fcf8" part="question" tags=["trainer"]
# **Three minutes up to here.** Who has heard of the "five times"? Where did they read it, and which costs was it about? Hardly anybody can say. The point is not to sneer at it but to measure it.

# %%
from crmkit.lessons import worth_of_a_relationship as lesson
from crmkit.plots import plot_decile_table

salon = crmkit.sample("salon")
costs, orders = salon.costs, salon.orders
costs[["incurred_date", "purpose", "category", "amount"]].head()

# %% [markdown] lang="ja" part="predict" typed="the claim's own number"
# ## 予想してから動かす
#
# 上の表は、シミュレーションで作った美容室の帳簿です。1行が1件の費用で、`amount`は金額（円）、`purpose`は目的（acquisition＝獲得、retention＝維持、service＝対応）、`category`は種類（ad＝広告など）です。
#
# 新規1人を迎える費用は、常連1人を1年つなぎとめる費用の**何倍**でしょう。常連とは、期間の始めの時点でも終わりの時点でも、直前の1年以内に来ていた人です。予想したら、入れる費用、期間、日数を動かします。5倍にできますか？

# %% [markdown] lang="en" of="8c262645" part="predict" typed="the claim's own number"
# ## Predict, then move
#
# These are the books of a simulated salon; each row is one cost, and `amount` is in yen. `purpose` says what it was for: winning customers (acquisition), keeping them (retention), or answering questions and complaints (service). `category` is its kind, such as labour.
#
# **How many times** as much does it cost to win a newcomer as to keep a regular for a year? A regular is somebody who had come within the year before these months began, and again within the year before they ended. Lock in your prediction. Then change which costs count, the months, and the days that make a regular. Can you make it five?

# %%
lesson.five_times(salon)

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **7分。** 予想のあと、「いちばん5倍に近い設定を探した人は？」と競争にすると盛り上がります。別々の設定で5倍ができたら、二つを並べて見せましょう。
#
# よくある思い違いは「正しい設定が一つある」。どれも計算として正しく、答える問いが違います。期間を短くすると比が大きくなる理由を聞いてください。獲得の費用は一度きり、維持の費用は毎月かかるからです。

# %% [markdown] lang="en" of="1b3d1186" part="predict" tags=["trainer"]
# **Seven minutes.** Make it a race: who gets closest to five? Show two different settings that do, side by side.
#
# The usual misconception: one setting must be the right one. All are correct sums for different questions. Ask why the ratio rises when the window shrinks: winning is paid once, keeping every month.

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# `when.recent`は、最後のまる12か月の期間です。倍率は、「獲得費 ÷ 新規の人数」を「維持費 ÷ 残った常連の人数」で割ったものです。残った常連とは、期間の始めと終わりの**両方**で稼働中だった（前の365日以内に来ていた）人です。`**when.recent`は、期間の始まりと終わりの日をまとめて渡す書き方です。

# %% [markdown] lang="en" of="d4a443fa" part="code"
# ## The code behind it
#
# `when.recent` is the last twelve full months. The cost of winning (acquisition costs ÷ newcomers) is divided by the cost of keeping (retention costs ÷ regulars who stayed: active at **both** ends of the window, that is, with a visit in the 365 days before). `**when.recent` hands over the first day and the last at once.

# %%
when = lesson.start(salon)
year = crmkit.acquisition_retention_cost_ratio(costs, orders, **when.recent)
year

# %% [markdown] lang="ja" part="code" typed="the name of the interval"
# 「95%信頼区間」は、来る人の数が偶然ぶれることを考えに入れた値の幅です。幅が広いほど、はっきりしたことは言えません。費用は帳簿のままの数として扱います。表のいちばん下の三つは、人件費を獲得と維持に分け直した場合の倍率です。
#
# 次は、同じ計算を最後の3か月だけで行います。倍率は大きくなるでしょうか、小さくなるでしょうか。

# %% [markdown] lang="en" of="78afb612" part="code" typed="the name of the interval"
# The **95% interval** allows for chance: other people might have come. The wider it is, the less can be said for certain. The costs are taken from the books as they are. The last three figures of the table are the ratio with labour shared out differently.
#
# Next comes the same sum for the last three months only. Will the ratio be larger or smaller?

# %%
quarter = crmkit.acquisition_retention_cost_ratio(costs, orders, start="2026-01-01", end="2026-04-01")
print(year)
print(quarter)

# %% [markdown] lang="ja" part="definition"
# ## 言葉をそろえる
#
# {{ define:one_to_five_rule }}
#
# {{ define:cac }}
#
# この店では1年なら{{ float(year) :.1f}}倍、3か月なら{{ float(quarter) :.1f}}倍です。迎える費用は一度だけ、つなぎとめる費用は毎月かかります。**期間を言わない倍率には意味がありません。**

# %% [markdown] lang="en" of="79428a23" part="definition"
# ## Naming things
#
# {{ define:one_to_five_rule }}
#
# {{ define:cac }}
#
# In this salon the ratio is {{ float(year) :.1f}} over a year and {{ float(quarter) :.1f}} over three months. Winning is paid once, keeping again and again. **A ratio without its months means nothing.**

# %% [markdown] lang="ja" part="definition" tags=["trainer"]
# **コードと言葉で5分。** 「では、どちらが正しい倍率ですか」と聞かれたら、「何を決めるための数ですか」と聞き返しましょう。3か月で比が大きくなる理由は二つあります。維持の費用は3か月分で済み、そのあいだに離れる常連も少ないからです。定義の計算式は読み上げず、「費用 ÷ 人数」だけを指さします。

# %% [markdown] lang="en" of="888c4dca" part="definition" tags=["trainer"]
# **Five minutes for code and terms.** "Which ratio is the right one, then?" Ask back: what do you want to decide with it? Over three months it is higher for two reasons: only three months of keeping are paid, and fewer regulars leave meanwhile. Do not read the formulas aloud; point to "costs ÷ people".

# %% [markdown] lang="ja" part="business"
# ## 業種が変わると
#
# 数え方を同じにして、ネットショップと定期便の会社もシミュレーションで作り、1年分を比べます。

# %% [markdown] lang="en" of="8ddbabb8" part="business"
# ## Another line of business
#
# Now count in the same way for an online shop and a subscription business, both simulated, over one year.

# %%
one_year = {"start": "2025-01-01", "end": "2026-01-01"}
for business in ("salon", "shop", "subscription"):
    town = crmkit.simulate(business, customers=1000, weeks=110)
    print(business, crmkit.acquisition_retention_cost_ratio(town.costs, town.orders, **one_year))

# %% [markdown] lang="ja" part="business"
# 三つともシミュレーションなので、現実の業界の数字ではありません。それでも、数え方が同じでも業種で比が変わることは分かります。同じ美容室でもさっきの{{ float(year) :.1f}}倍と違うのは、もっと大きな店だからです。決まった額のシステム代を大勢で割るので、維持が安く済みます。

# %% [markdown] lang="en" of="89dfc50a" part="business"
# All three are simulated, so these are not figures of real industries. Still you see: even counted in the same way, the ratio depends on the business. And why is the salon's not {{ float(year) :.1f}} as before? This one is larger: a fixed bill for tools, shared by more regulars, makes keeping cheaper.

# %% [markdown] lang="ja" part="roi"
# ## 安いから、効く？
#
# {{ define:retention_cost_advantage }}
#
# 倍率は「使ったお金 ÷ 残った人数」です。残った人の多くは、何もしなくても来たかもしれません。増えた分だけを見るのが、次の言葉です。
#
# {{ define:roi }}

# %% [markdown] lang="en" of="3399fba3" part="roi"
# ## Cheap, so it works?
#
# {{ define:retention_cost_advantage }}
#
# The ratio divides money spent by people who stayed, many of whom would have come anyway. The next term looks only at what was added.
#
# {{ define:roi }}

# %% [markdown] lang="ja" part="roi" typed="what per cent means"
# この店は、割引の案内メールを一部の常連にわざと送りませんでした（対照群）。`attributed`は案内の番号が付いた注文を全部手柄に数え、`incremental`は対照群との差だけを数えます。`offers`は案内の番号、`sends`は誰にいつ送ったかの記録です。値が100%なら、費用を引いた後に、費用と同じ額の利益が残ったことになります。

# %% [markdown] lang="en" of="47c6315c" part="roi" typed="what per cent means"
# The salon mails discount offers to regulars and leaves some out on purpose: a control group. `attributed` credits a mailing with every order that carries its number; `incremental` counts only the difference from the control group. `offers` are the numbers of the mailings, `sends` says who got which. At 100% the mailing has paid its cost and earned as much again.

# %%
offers = salon.campaigns.query("kind == 'promotional_email'")["campaign_id"]
sends = salon.campaign_sends[salon.campaign_sends["campaign_id"].isin(offers)]
tables = {"orders": orders, "order_items": salon.order_items, "costs": costs}
credited = crmkit.campaign_roi(sends, **tables, method="attributed")
added = crmkit.campaign_roi(sends, **tables, method="incremental")
print(credited)
print(added)

# %% [markdown] lang="ja" part="roi"
# 手柄に数えれば費用の{{ float(credited) :.0f}}倍の利益です。ところが増えた分の区間は{{ added.low :.0f}}倍から{{ added.high :.0f}}倍まで広がり、**得か損かも言えません**。この店の人数では足りないのです。「維持は安くて効く」と言うには、対照群と十分な人数が必要です。

# %% [markdown] lang="en" of="13dbb69c" part="roi"
# Credited, the mailings earn {{ float(credited) :.0f}} times their cost. But the interval of what they added runs from {{ added.low :.0f}} to {{ added.high :.0f}} times: **nobody can say whether they gained or lost**. One salon has too few people for that. To claim that keeping is cheap and works, you need a control group and enough people.

# %% part="exercise"
lesson.quiz("03.4")

# %% [markdown] lang="ja" part="roi" tags=["trainer"]
# **クイズを含めて6分。** 「マイナスの区間は、案内が逆効果という意味ですか」と必ず聞かれます。区間に0が入っているので、効いたとも害があったとも言えない、が答えです。
#
# クイズで a を選んだ人には、「広告をゼロにしたら、三年後の常連は誰ですか」と尋ねてみましょう。

# %% [markdown] lang="en" of="04ad8743" part="roi" tags=["trainer"]
# **Six minutes with the quiz.** Someone will ask whether the negative end means that mailings do harm. The interval holds zero, so neither a gain nor a harm is shown.
#
# Ask those who chose a: with no advertising at all, who will be the regulars in three years?

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ここからはご自分のデータでも
#
# 次のセルの`MY_FILE`に、注文（orders）、注文明細（order_items）、費用（costs）の表が入ったフォルダーの名前を書き、このセルから下を実行し直してください。何も書かなければ、美容室のまま進みます。文章の中の数は、美容室のものです。

# %% [markdown] lang="en" of="3a657c3f" part="shop" typed="file name is the reader's own"
# ## From here on also with your own data
#
# Write the name of a folder into `MY_FILE` that holds your orders, order_items and costs, and run the cells from here on again. If you change nothing, the salon goes on. The numbers in the prose stay the salon's.

# %%
MY_FILE = None

shop = crmkit.load(MY_FILE) if MY_FILE else crmkit.sample("salon")
orders, order_items, costs = shop.orders, shop.order_items, shop.costs
print(len(orders), len(order_items), len(costs))
when = lesson.start(shop)
when

# %% [markdown] lang="ja" part="shop"
# 上の三つの数は、注文、明細、費用の行数です。`recent`は直近の12か月、`earlier`はその前の12か月です（2年分ないときは、あるデータを半分ずつに分けます）。`earlier`に初めて来た人なら、全員を`days`日間追いかけられます。`months`は、それぞれの月数です。

# %% [markdown] lang="en" of="d690970c" part="shop"
# The three numbers are the rows of orders, order lines and costs. `recent` is the last twelve months, `earlier` the twelve before (with less than two years of data, each has half of it). Everyone who first came in `earlier` can be followed for `days` days. `months` is how many months each has.

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# `when.recent`の期間の顧客獲得単価（CAC、獲得費として記録されたもの全部を入れる）を求めましょう。関数は`crmkit.cac`です。渡すものと書き方は、倍率を求めたときと同じです。

# %% [markdown] lang="en" of="49f8d800" part="exercise"
# ## Exercise 1
#
# Find the customer acquisition cost (CAC) of `when.recent`, with everything that is booked as acquisition. The function is `crmkit.cac`; give it the same things, in the same way, as you gave the ratio.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.cac(costs, orders, **when.recent)

# %%
lesson.check("03.1", answer_1)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **5分。** 分子に家賃やシステム代まで入れたがる人がいます。「その費用は、新しい人が誰も来なくてもかかりますか」と聞いてください。かかるなら、獲得の費用ではありません。
#
# 早く終わった人は、`kind="paid"`が何を分子と分母から外すかを調べて、隣の人に説明します（`customers=shop.customers`も必要です）。

# %% [markdown] lang="en" of="f1db23ac" part="exercise" tags=["trainer"]
# **Five minutes.** Some want rent and software among the costs of winning. Ask: would you pay it if no newcomer came at all? Then it is no cost of winning.
#
# Whoever is done early finds out what `kind="paid"` leaves out, both of the costs and of the people (it needs `customers=shop.customers`), and tells a neighbour.

# %% [markdown] lang="ja" part="worth"
# ## その一人は、いくらもたらすか
#
# {{ define:clv }}
#
# 英語の頭文字でCLVとも書きます。上の式は使いません。将来は見込まず、**初来店から`when.days`日間の粗利**（売上から原価を引いた残り）を数えます。`first`は初来店の日時、`came`は`when.earlier`に初めて来た人、`age`は初来店からの日数です。全員を同じ長さだけ見るのが大切です。セルは人数と注文の数を表示します。

# %% [markdown] lang="en" of="6a47a434" part="worth"
# ## What does that one person bring?
#
# {{ define:clv }}
#
# It is often written CLV. We forecast nothing and need no formula: we count the **gross profit** (sales less what the goods cost) **of the first `when.days` days**. `first` is the first visit, `came` marks those who first came in `when.earlier`, `age` is the number of days since the first visit. What matters is that everyone is watched equally long. The cell prints the number of people and of orders.

# %%
first = orders.groupby("customer_id")["ordered_at"].transform("min")
came = (first >= when.earlier["start"]) & (first < when.earlier["end"])
age = (orders["ordered_at"] - first).dt.days
watched = orders[came & (age < when.days)]
print(watched["customer_id"].nunique(), len(watched))

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# `watched`の人たちが、この日数のあいだにもたらした**1人あたりの平均粗利**を求めましょう。`crmkit.clv_historic`に、注文の表、明細の表（`order_items`）の順に渡します。

# %% [markdown] lang="en" of="87c31d7f" part="exercise"
# ## Exercise 2
#
# Find the **mean gross profit per customer** that the people in `watched` brought in these days. Give `crmkit.clv_historic` the orders first, then their lines (`order_items`).

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = crmkit.clv_historic(watched, order_items)

# %%
lesson.check("03.2", answer_2)

# %% [markdown] lang="ja" part="payback"
# ## いつ元が取れるか
#
# `cost`は、この人たちを迎えるのにかかった費用（`when.earlier`のCAC）です。日数を30日ずつ延ばして粗利を計算し、費用と重ねます。線が費用を越えたところが回収の時です。**平均**の人の話だということを忘れずに。

# %% [markdown] lang="en" of="e808f754" part="payback"
# ## When is it paid back?
#
# `cost` is what winning these people cost (the CAC of `when.earlier`). Take the gross profit for more and more days, 30 at a time, and draw the cost beside it. Where the line rises above the cost, the money is back, **on average**.

# %%
cost = crmkit.cac(costs, orders, **when.earlier)
steps = range(min(30, when.days), when.days + 1, 30)
curve = {days: crmkit.clv_historic(orders[came & (age < days)], order_items) for days in steps}
lesson.show(lesson.plot_payback(curve, cost), lesson.say_payback(curve, cost))

# %% [markdown] lang="ja" part="payback"
# この美容室では、最初の{{ min(curve) }}日の粗利でもう元が取れます。{{ max(curve) }}日の粗利は費用の{{ float(curve[max(curve)]) / float(cost) :.1f}}倍。この比を**CLV:CAC**と呼びます。「3倍以上なら健全」という目安も聞きますが、これも出どころのはっきりしない言い習わしです。期間と粗利の数え方を必ず確かめましょう。

# %% [markdown] lang="en" of="d9700560" part="payback"
# In this salon the first {{ min(curve) }} days already pay back. After {{ max(curve) }} days the gross profit is {{ float(curve[max(curve)]) / float(cost) :.1f}} times the cost. This ratio is called **CLV:CAC**. "Three or more is healthy", one hears: another saying of unclear origin. Always ask for how long, and whether it is profit or sales.

# %% [markdown] lang="ja" part="exercise"
# ## 問題3
#
# 粗利が毎月同じだけ入るとしたら、**何か月**で費用を回収できますか。費用は`cost`、月あたりの粗利は、問題2の答えを`when.months`で割ったものです。割り算をするときは`float(answer_2)`と書き、区間を外して値だけにします。書き方は次のとおりです。
#
# `crmkit.cac_payback_months(費用, monthly_margin_amount=月あたりの粗利)`

# %% [markdown] lang="en" of="1b5f16f6" part="exercise"
# ## Exercise 3
#
# Suppose the profit came in equal parts every month: after **how many months** is the cost paid back? The cost is `cost`; the monthly profit is your answer 2 divided by `when.months`. To divide, write `float(answer_2)`, which drops the interval. It is written like this:
#
# `crmkit.cac_payback_months(the cost, monthly_margin_amount=the monthly profit)`

# %% part="exercise"
answer_3 = ...
# solution
answer_3 = crmkit.cac_payback_months(cost, monthly_margin_amount=float(answer_2) / when.months)

# %%
lesson.check("03.3", answer_3)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **問題2と3で12分。** いちばん多いつまずきは、売上と粗利の取り違えです。「カラーの代金のうち、店に残るのはいくら？」と聞きましょう。
#
# 図の線は最初の点で費用を越えるのに、問題3の答えは1か月より長くなります。なぜ違うのか、考えてもらってください。初回に使う額は月平均より多いからです。

# %% [markdown] lang="en" of="9a5622ea" part="exercise" tags=["trainer"]
# **Twelve minutes for exercises 2 and 3.** The usual stumble is sales for profit. Ask: when a customer pays for a colouring, how much of it stays with the shop?
#
# The line in the picture starts above the cost, yet exercise 3 gives more than a month. Let people explain: the first visit brings more than an average month does.

# %% [markdown] lang="ja" part="stable"
# ## ぶれの少ない売上
#
# {{ define:stable_revenue }}
#
# 次のセルは、売上のうち、2回目以降の来店と定期契約による割合です。月ごとの売上のぶれ（変動係数）は、表のいちばん下に出ます。

# %% [markdown] lang="en" of="07c51294" part="stable"
# ## Sales that vary little
#
# {{ define:stable_revenue }}
#
# The next cell shows which share of sales comes from second and later visits, or from contracts. How far monthly sales vary stands in the last line of the table.

# %%
crmkit.recurring_revenue_share(orders, **when.recent)

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：残った人だけの平均
#
# 「うちのお客さまは1年でこれだけ使ってくれます」と聞いたら、**誰の**平均かを確かめましょう。次のセルでは、全員、二度以上来た人だけ、真ん中の人（中央値）を比べます。

# %% [markdown] lang="en" of="cc6600ea" part="trap"
# ## A trap: the average of those who stayed
#
# When somebody says "our customers bring us this much a year", ask **which** customers. The next cell compares everyone, only those who came again, and the one in the middle (the median).

# %%
profits = crmkit.customer_profits(watched, order_items)
everyone = profits["profit_amount"].mean()
came_again = profits.loc[profits["orders"] > 1, "profit_amount"].mean()
middle = profits["profit_amount"].median()
print(round(everyone), round(came_again), round(middle))

# %% [markdown] lang="ja" part="trap"
# 一度きりの人を除くと、平均は{{ everyone :,.0f}}円から{{ came_again :,.0f}}円に増えます。店の利益は一円も増えていません。迎える費用は全員分かかったのに、割る人数だけを減らしたのです。また、真ん中の人がもたらす粗利は{{ middle :,.0f}}円しかありません。少数の人が平均を引き上げているからです。

# %% [markdown] lang="en" of="f1e03bce" part="trap"
# Leave out those who came once, and the mean rises from {{ everyone :,.0f}} to {{ came_again :,.0f}} yen. The shop has not earned one yen more: everyone was paid for, and we only divided by fewer people. And the one in the middle brings just {{ middle :,.0f}} yen, because a few people pull the mean up.

# %% [markdown] lang="ja" part="tenths"
# 次の図では、新規客を**売上**の多い順に並べ、ほぼ同じ人数の10組（デシル）に分けます。棒は各組が売上に占める割合、線は左からの合計です。

# %% [markdown] lang="en" of="a7567519" part="tenths"
# Next, line up the newcomers by their **sales**, highest first, and cut the line into ten groups of about the same size (deciles). The bars are each group's share of sales; the curve adds them up from the left.

# %%
tenths = crmkit.decile_table(watched)
lesson.show(plot_decile_table(tenths), lesson.say_deciles(tenths))

# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# **3分。** 「会員の平均購入額」など、職場で見る平均を一つ挙げてもらい、誰が抜けているかを考えます。退会した人、一度きりの人、会員番号のない人が、たいてい抜けています。

# %% [markdown] lang="en" of="a03b493f" part="trap" tags=["trainer"]
# **Three minutes.** Let everyone name an average they see at work, such as the spending of members, and ask who is missing from it. Mostly those who left, who came once, or who have no number.

# %% [markdown] lang="ja" part="takeaway" typed="an idiom, no result"
# ## まとめ
#
# - 「何倍」と聞いたら「どの費用？」「何か月？」「誰が常連？」
# - 獲得の費用は一度、維持の費用は毎月かかります
# - 平均の費用が安いことと、次の1円が効くことは別です。対照群で測りましょう
# - 顧客の価値は粗利で、一度きりの人も入れ、全員を同じ長さだけ見て計算します

# %% [markdown] lang="en" of="fc5ed373" part="takeaway"
# ## To take away
#
# - Hear "so many times", ask: which costs, how many months, who is a regular?
# - Winning is paid once, keeping every month
# - A low average cost is one thing, what the next yen brings another. Measure that with a control group
# - A customer's worth is gross profit, of everyone, also those who came once, watched equally long

# %% [markdown] lang="ja" part="takeaway" tags=["trainer"]
# **2分。** 店長の質問に戻ります。「広告をやめるべきですか」に、一人一文で答えてもらいましょう。「分からない、だから一部で試す」が言えれば合格です。

# %% [markdown] lang="en" of="f88cad14" part="takeaway" tags=["trainer"]
# **Two minutes.** Back to the manager: should she stop advertising? Everyone answers in one sentence. "We do not know yet, so let us try it on some" is what you hope to hear.

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# 費用の表には、日付、金額、目的（`acquisition`＝獲得、`retention`＝維持、`service`＝対応）、種類（`ad`＝広告など）の列が必要です。帳簿にない**人件費**は、誰が何時間使ったかを1週間だけ書き留めて見積もり、費用の表に行を足しましょう。足す前と後で倍率がどれだけ動くかが、その数字の確かさです。

# %% [markdown] lang="en" of="96a90bc0" part="own_data"
# ## With your own data
#
# Your costs need a date, an amount, a purpose (`acquisition`, `retention` or `service`) and a category (such as `ad`). **Staff time** is rarely in the books: write down for one week who spent how long on whom, and add it as rows. How far the ratio moves when you do tells you how much to trust it.
