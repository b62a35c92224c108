# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: リピートと維持, en: Repeat and retention}
#     theme: retention
#     objectives:
#       ja:
#         - 「リピート率」と呼ばれる数が、何を何で割ったものかを説明できる
#         - まだ日数がたっていない顧客を外して、再購入率を計算できる
#         - 維持率を「同じ人どうし」で数え、教科書の式との違いを説明できる
#         - コホート表を読み、空白のマスが 0 ではない理由を言える
#       en:
#         - Say what a number called "repeat rate" divides by what
#         - Work out a repurchase rate, leaving out customers who have not been observed long enough
#         - Count retention among the same people, and explain where the textbook formula differs
#         - Read a cohort table, and say why an empty cell is not a zero
#     prerequisites:
#       ja: 割合の計算。Python は読めれば十分です
#       en: Shares and percentages; reading a little Python is enough
#     teach_minutes: 25
#     exercise_minutes: 20
#     cut_if_late: [groups, trap]
#     tables: [orders]
#     glossary: [repeat_customer, repeat_purchase, repeat_rate, repurchase_rate, retention, retention_rate, churn, existing_customer]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「税理士さん、予約サイト、本部の報告書。うちの3月のリピート率が、三つとも違う数なんです。どれが本当なんでしょう？」
#
# 計算間違いは一つもありません。違うのは「何で割ったか」、つまり分母です。このレッスンが終わるころには、数字を見たら「分母は誰ですか？」と聞き返せるようになります。

# %% [markdown] lang="en" of="a57b650e" part="question"
# ## The manager asks
#
# "My accountant, the booking site and head office each tell me our repeat rate in March. All three numbers differ. Which one is true?"
#
# Nobody has miscalculated. A rate is a fraction: some people above the line, divided by the people below it. They divide by different people. By the end of this lesson you will ask "who is below the line?" before you believe any rate.

# %%
from crmkit.lessons import repeat_and_retention as lesson
from crmkit.plots import plot_cohort_retention, plot_estimates

ten = crmkit.sample("ten_customers").orders
ten[["customer_id", "ordered_at", "channel", "net_amount"]].head()

# %% [markdown] lang="ja" part="predict"
# ## 予想してから動かす
#
# まず点の並びをながめて、3月のリピート率を予想しましょう。予想を決めると答えが出ます。そのあと、計算式・月・日数を動かしてみてください。名前の横の印が、分子と分母のどちらに入る人かを表します。

# %% [markdown] lang="en" of="1c24598c" part="predict"
# ## Predict, then move
#
# Look at the dots and predict the repeat rate of March. Lock it in, and the answer appears. Then change the formula, the month and the days. The sign beside each name says whether that customer is above the line, below it, or both.

# %%
lesson.many_numbers(ten)

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# 画面の裏側は、次の数行だけです。期間は`start`の日から`end`の**前日**まで。`**march`は、その二つをまとめて渡す書き方です。
#
# 結果には**区間**が付きます。人数が少ないための「ぶれ」の幅です。{{ cumulative.denominator }}人では、こんなに広くなります。

# %% [markdown] lang="en" of="a75075cd" part="code"
# ## The code behind it
#
# Behind the widget there are only these few lines. A window runs from `start` up to, **not including**, `end`; `**march` passes both at once.
#
# Every result carries an **interval**: how far the true rate may lie from the number, given how few people were counted. With {{ cumulative.denominator }} customers it is wide.

# %%
march = {"start": "2026-03-01", "end": "2026-04-01"}
cumulative = crmkit.repeat_rate(ten, **march)
cumulative

# %% [markdown] lang="ja" part="code"
# 店長が聞いた三つの数と、再購入率を並べてみます。再購入率だけは1月の新規客で数えます。3月の新規客は、まだ60日たっていないからです。

# %% [markdown] lang="en" of="ac404c6d" part="code"
# Here are the manager's three numbers, and the repurchase rate beside them. The latter is counted among January's newcomers, because those of March have not had their 60 days yet.

# %%
of_buyers = crmkit.repeater_share(ten, **march)
per_newcomer = crmkit.repeat_rate(ten, **march, base="new")
january = {"start": "2026-01-01", "end": "2026-02-01"}
in_time = crmkit.repurchase_rate(ten, horizon_days=60, **january, as_of="2026-04-01")
figures = {figure.label: figure for figure in (cumulative, of_buyers, per_newcomer, in_time)}
lesson.show(plot_estimates(figures), "; ".join(map(str, figures.values())))

# %% [markdown] lang="ja" part="definition"
# ## 言葉をそろえる
#
# 税理士さんは{{ float(cumulative) :.0%}}、予約サイトは{{ float(of_buyers) :.0%}}、本部は{{ float(per_newcomer) :.0%}}でした。本部の数は割合ではありません。分子の{{ per_newcomer.numerator }}人のうち、分母の新規客でもあるのはGさんだけだからです。残りの言葉は、次のように使い分けます。

# %% [markdown] lang="en" of="31db5f1b" part="definition"
# ## Naming things
#
# The accountant says {{ float(cumulative) :.0%}}, the booking site {{ float(of_buyers) :.0%}}, head office {{ float(per_newcomer) :.0%}}. The last one is no share: of the {{ per_newcomer.numerator }} repeaters above the line only G is among the newcomers below it. The other words are used like this.

# %% [markdown] lang="ja" part="definition"
# {{ define:repeat_rate }}
#
# {{ define:repurchase_rate }}

# %% [markdown] lang="en" of="0b292a51" part="definition"
# {{ define:repeat_rate }}
#
# {{ define:repurchase_rate }}

# %% [markdown] lang="ja" part="retention"
# ## 維持率は「同じ人どうし」
#
# {{ define:retention_rate }}
#
# 次のセルでは、最後の来店から60日たっていない人を「稼働中」とみなします。DさんとFさんは3月に来ていませんが、まだ稼働中です。出てきた表の「注意」まで読んでみてください。

# %% [markdown] lang="en" of="0b1ec720" part="retention"
# ## Retention is about the same people
#
# {{ define:retention_rate }}
#
# In the next cell a customer is active for 60 days after a visit. D and F did not come in March, yet they are still active at its end. Read the table down to its note.

# %%
stayed = crmkit.retention_rate(ten, **march, active_days=60)
stayed

# %% [markdown] lang="ja" part="retention" typed="limits and hypotheticals, no results"
# 教科書の式では{{ stayed.besides["textbook"] :.0%}}になります。期首にいた{{ stayed.denominator }}人に加えて、離れていたAさんの復帰まで「維持」に数えるからです。100%を超えれば気づけます。でも、80%や90%のなかに混ざっていたら、誰も気づきません。

# %% [markdown] lang="en" of="703bdc5b" part="retention"
# The textbook formula gives {{ stayed.besides["textbook"] :.0%}}: among {{ stayed.denominator }} people who were there at the start it also counts A, who had been away and came back. Above a hundred per cent one notices. Mixed into an ordinary-looking result, nobody would.

# %% [markdown] lang="ja" part="shop" typed="file name and column names are the reader's own"
# ## 美容室1軒分のデータで
#
# ここからは、シミュレータで作った美容室の注文データを使います。`crmkit.simulate("salon")`を呼ぶと、同じような店をいくつでも作れます。**ご自分のデータで試すときは**、次のセルの`MY_FILE`にファイル名、`MY_COLUMNS`の右側に列名を書き、このセルから下を実行し直してください。文章の中の数は、この美容室のものです。

# %% [markdown] lang="en" of="1ac213a2" part="shop" typed="file name and column names are the reader's own"
# ## One whole shop
#
# From here on we use the orders of a simulated hair salon; `crmkit.simulate("salon")` makes as many like it as you want. **To try your own data**, put your file's name into `MY_FILE` and your column names on the right of `MY_COLUMNS`, and run the cells from here on again. The numbers in the prose stay the salon's.

# %%
MY_FILE = None
MY_COLUMNS = {"customer_id": "customer_id", "ordered_at": "ordered_at", "net_amount": "net_amount"}

shop = crmkit.load({"orders": MY_FILE}, columns=MY_COLUMNS) if MY_FILE else crmkit.sample("salon")
orders = shop.orders
when = lesson.start(orders)
shop

# %%
when

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# 最後のまる1か月（`when.month`）について、**その月の終わりまでの180日間に来店した顧客を分母にした**リピート率を求めましょう。`base="active"`を使います。

# %% [markdown] lang="en" of="75e10a10" part="exercise"
# ## Exercise 1
#
# For the last full month (`when.month`), find the repeat rate **among the customers who came in the 180 days before its end**. You will need `base="active"`.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.repeat_rate(orders, **when.month, base="active", active_days=180)

# %%
lesson.check("08.1", answer_1)

# %% [markdown] lang="ja" part="repurchase"
# ## 2回目は来るか
#
# 初めて来た人が、決めた日数のうちに2回目に来た割合が再購入率です。**まだその日数がたっていない人は、分子にも分母にも入れません**。全員を分母に入れると率が低く出すぎ、もう戻った人だけを先に数えると高く出すぎるからです。

# %% [markdown] lang="en" of="7120db63" part="repurchase"
# ## Will they come a second time?
#
# The repurchase rate is the share of first-time customers who come again within a set number of days. **Whoever has not had those days yet is left out, above and below the line**: keep them all below the line and the rate comes out too low; keep only those already back and it comes out too high.

# %%
first = orders.groupby("customer_id")["ordered_at"].transform("min")
orders["joined"] = first.dt.to_period("Q").astype(str)
by_quarter = crmkit.repurchase_rate(orders, horizon_days=90, as_of=when.as_of, by="joined")
by_quarter.tail(6)

# %% [markdown] lang="ja" part="groups"
# `by=`を付けると、グループごとの表になります。`n`が小さい行ほど、`low`と`high`の間が広がります。区間が大きく重なる二つの四半期を「上がった」「下がった」と言うのは、まだ早いのです。
#
# 最後の四半期は`n`が0で、値はNaN（計算できない）です。初来店から90日たった人が、まだいません。`rows_left_out`は、取消など数えなかった注文の行数です（上の`first`は、簡単のため取消も「初めて」に含めています）。

# %% [markdown] lang="en" of="4d9b0a76" part="groups"
# With `by=` you get a table, one row per group. Where `n` is small, `low` and `high` lie far apart. If the intervals of two quarters overlap a lot, it is too early to call one of them better.
#
# The last quarter has `n` 0 and NaN, "cannot be computed": nobody there has had 90 days yet. `rows_left_out` counts orders that do not count, such as cancelled ones (to keep the code short, `first` above does take them).

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# `when.newcomers`の半年間に初めて来た人の、**90日以内**の再購入率を求めましょう。データがいつまでのものかは`when.as_of`に入っています。

# %% [markdown] lang="en" of="5732328d" part="exercise"
# ## Exercise 2
#
# Find the repurchase rate **within 90 days** of those who first came in the half year of `when.newcomers`. The day the data end is in `when.as_of`.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = crmkit.repurchase_rate(orders, horizon_days=90, **when.newcomers, as_of=when.as_of)

# %%
lesson.check("08.2", answer_2)

# %% [markdown] lang="ja" part="cohorts"
# ## 月ごとに追いかける
#
# 同じ月に初めて来た人たちをひとまとめにして、その後を追います。これがコホート表です。**空白は「まだ分からない」、0は「誰も来なかった」**。混ぜてしまうと、最近の客ほど戻ってこないように見えます。次のセルは、表から経過1の行だけを取り出したものです。
#
# データの最初の数か月には、前からの常連も「初めて」として混ざります。割り引いて読みましょう。

# %% [markdown] lang="en" of="afbb7fff" part="cohorts"
# ## Following them month by month
#
# Take everyone who first came in the same month and follow them: that is a cohort table. **An empty cell means "not known yet", a zero means "nobody came"**. Mix the two up, and your newest customers seem not to come back. The next cell picks the rows of age 1 from the table.
#
# The first months of any data are full of old regulars who only look new. Read them with care.

# %%
table = crmkit.cohort_retention(orders, as_of=when.as_of)
table[table["age"] == 1].tail(5)

# %%
lesson.show(plot_cohort_retention(table), lesson.say_cohorts(table))

# %% [markdown] lang="ja" part="exercise"
# ## 問題3
#
# 初来店が`when.cohort`の月だった人のうち、**その2か月後の月**に来た人の割合を求めましょう。図から読むのではなく、`table`から取り出します。

# %% [markdown] lang="en" of="09c7d9f4" part="exercise"
# ## Exercise 3
#
# Of those whose first visit was in the month of `when.cohort`, find the share that came **in the month two months later**. Take it from `table`, not from the picture.

# %% part="exercise"
answer_3 = ...
# solution
cell = (table["cohort"] == when.cohort) & (table["age"] == 2)
answer_3 = table.loc[cell, "retention"].squeeze()

# %%
lesson.check("08.3", answer_3)

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：良くなったように見える数
#
# この店が半年前に集客をやめていたら、と考えてみます。半年以内に初めて来た人をデータから消します。常連の行動は何も変わりません。それでもリピーター率は上がるでしょうか、下がるでしょうか。

# %% [markdown] lang="en" of="d73f7d48" part="trap"
# ## A trap: the number that only looks better
#
# Suppose this shop had stopped looking for new customers half a year ago. We only take away those who first came since then; the regulars do exactly what they did. Will the repeaters' share of buyers rise or fall?

# %%
regulars = orders[first < when.half_year["start"]]
with_newcomers = crmkit.repeater_share(orders, **when.month)
without = crmkit.repeater_share(regulars, **when.month)
print(with_newcomers)
print(without)

# %% [markdown] lang="ja" part="trap"
# {{ float(with_newcomers) :.0%}}から{{ float(without) :.0%}}へ上がりました。残ったのは半年以上前からの客ばかりなので、当たり前です。リピーターの人数は{{ with_newcomers.numerator }}人から{{ without.numerator }}人へ減りました。店は良くなっていません。**リピーター率は、新規客の数と並べて見ましょう。**

# %% [markdown] lang="en" of="546eacdd" part="trap"
# From {{ float(with_newcomers) :.0%}} to {{ float(without) :.0%}}. No wonder: everyone left has been a customer for at least half a year. Meanwhile the repeaters fell from {{ with_newcomers.numerator }} to {{ without.numerator }}. The shop is no better off. **Never read this share without the number of new customers beside it.**

# %% [markdown] lang="ja" part="takeaway" typed="a hundred per cent as a limit, not a result"
# ## まとめ
#
# - 率を聞いたら「分母は誰？」「期間は？」「いつの時点？」
# - 割合でない「率」もあります。100%を超えたら疑いましょう
# - まだ日数がたっていない人は、0ではなく「分からない」です
# - 維持率は、期首と期末の両方にいた人で数えます

# %% [markdown] lang="en" of="6081b418" part="takeaway" typed="a hundred per cent as a limit, not a result"
# ## To take away
#
# - Hear a rate, ask: who is below the line, which window, as of when?
# - Some "rates" are no shares. Above 100%, be suspicious
# - Whoever has not had enough days is not a zero but a "not known yet"
# - Retention counts the people who were there at both ends

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# 必要なのは「誰が」「いつ」買ったかの2列だけです。金額の列がなければ`"net_amount": None`と書き、取消の列があれば`"status": "列名"`を足します。読み込んだら、**使えなかった行の数と理由**を最初に確かめましょう。

# %% [markdown] lang="en" of="a6f573bb" part="own_data"
# ## With your own data
#
# Two columns are enough: who bought, and when. Without amounts write `"net_amount": None`; if you have a column for cancellations, add `"status": "its name"`. Once your file is loaded, look first at **how many rows could not be used, and why**.
