# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: リピートと維持, en: Repeat and retention}
#     theme: retention
#     objectives:
#       ja:
#         - 「リピート率」と呼ばれる数が、何を何で割ったものかを言い当てられる
#         - まだ見届けていない顧客を外して、再購入率を計算できる
#         - 維持率を「同じ人どうし」で数え、教科書の式とのちがいを説明できる
#         - コホート表を読み、空白のマスが 0 ではない理由を言える
#       en:
#         - Say what a number called "repeat rate" divides by what
#         - Work out a repurchase rate without the customers nobody has watched long enough
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
# 「税理士さんは、うちの 3 月のリピート率は **{{ float(cumulative) :.0%}}** だと言います。予約サイトの画面には **{{ float(of_buyers) :.0%}}** と出ます。本部の報告書では **{{ float(per_newcomer) :.0%}}** です。どれが本当なんでしょう?」
#
# 計算まちがいは一つもありません。ちがうのは「何で割ったか」です。この時間が終わるころには、数字を見たら「分母はだれですか?」と聞き返せるようになります。

# %% [markdown] lang="en" of="11f8c904" part="question"
# ## The manager asks
#
# "My accountant says our repeat rate in March was **{{ float(cumulative) :.0%}}**. The booking site shows **{{ float(of_buyers) :.0%}}**. Head office reports **{{ float(per_newcomer) :.0%}}**. Which one is true?"
#
# Nobody has miscalculated. They divide by different people. By the end of this lesson you will ask "who is below the line?" before you believe any of them.

# %%
from crmkit.lessons import repeat_and_retention as lesson
from crmkit.plots import plot_cohort_retention, plot_estimates

ten = crmkit.sample("ten_customers").orders
ten[["customer_id", "ordered_at", "channel", "net_amount"]].head()

# %% [markdown] lang="ja" part="predict"
# ## 予想してから動かす
#
# まず点の並びをながめて、3 月のリピート率を予想しましょう。予想を決めると答えが出ます。そのあと、計算式・月・日数を動かしてみてください。● が分子にも数える人、○ が分母だけの人です。

# %% [markdown] lang="en" of="692d3e23" part="predict"
# ## Predict, then move
#
# Look at the dots and predict the repeat rate of March. Lock it in, and the answer appears. Then change the formula, the month and the days. ● marks the people counted above the line, ○ those who are only below it.

# %%
lesson.many_numbers(ten)

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# 動かした画面の裏側は、次の数行だけです。期間は `start` から `end` の**前まで**。セルの最後に名前を書くと、値だけでなく、区間・人数・定義まで表示されます。

# %% [markdown] lang="en" of="c7599b51" part="code"
# ## The code behind it
#
# Behind the widget there are only these few lines. A window runs from `start` up to, **not including**, `end`. Name a figure on the last line of a cell and you see its interval, its counts and its definition too.

# %%
march = {"start": "2026-03-01", "end": "2026-04-01"}
cumulative = crmkit.repeat_rate(ten, **march)
cumulative

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
# 新規 1 人あたりの {{ float(per_newcomer) :.0%}} は、分子の人が分母に入っていないので、そもそも割合ではありません。残りの言葉は、次のように使い分けます。

# %% [markdown] lang="en" of="2c3eb118" part="definition"
# ## Naming things
#
# The {{ float(per_newcomer) :.0%}} is no share at all: the people above the line are not among those below it. The other words are used like this.

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
# 次のセルでは、直前 60 日に来店した人を「稼働中」とみなします。下の注意書きまで読んでみてください。

# %% [markdown] lang="en" of="f40600de" part="retention"
# ## Retention is about the same people
#
# {{ define:retention_rate }}
#
# In the next cell a visit in the last 60 days makes a customer active. Read down to the note.

# %%
stayed = crmkit.retention_rate(ten, **march, active_days=60)
stayed

# %% [markdown] lang="ja" part="retention" typed="limits and hypotheticals, no results"
# 教科書の式では {{ stayed.besides["textbook"] :.0%}}。もとからいた {{ stayed.denominator }} 人に対し、離れていた A さんの復帰まで「維持」に数えてしまうので、100% を超えます。超えたときは気づけますが、80% や 90% のときにまざっていたら、だれも気づきません。

# %% [markdown] lang="en" of="26924176" part="retention"
# The textbook formula gives {{ stayed.besides["textbook"] :.0%}}: among {{ stayed.denominator }} people who were there at the start it also counts A, who had been away and came back. Above a hundred per cent one notices. Mixed into an ordinary-looking result, nobody would.

# %% [markdown] lang="ja" part="shop" typed="file name and column names are the reader's own"
# ## 一軒の店で
#
# ここからは、美容室 1 軒分の注文データを使います。**ご自分のデータで試すときは**、次のセルの `MY_FILE` にファイル名、`MY_COLUMNS` の右側に列名を書き、上からもう一度実行してください。文章の中の数は、この美容室のものです。

# %% [markdown] lang="en" of="890b6910" part="shop" typed="file name and column names are the reader's own"
# ## One whole shop
#
# From here on we use the orders of one hair salon. **To try your own data**, put your file's name into `MY_FILE` and your column names on the right of `MY_COLUMNS`, then run everything from the top again. The numbers in the prose stay the salon's.

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
# ## 問題 1
#
# 最後のまる 1 か月(`when.month`)について、**直近 180 日に来店した顧客を分母にした**リピート率を求めましょう。

# %% [markdown] lang="en" of="ea5f3e68" part="exercise"
# ## Exercise 1
#
# For the last full month (`when.month`), find the repeat rate **among the customers who came in the last 180 days**.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.repeat_rate(orders, **when.month, base="active", active_days=180)

# %%
lesson.check("08.1", answer_1)

# %% [markdown] lang="ja" part="repurchase"
# ## 2 回目は来るか
#
# 初めて来た人が、決めた日数のうちに 2 回目に来た割合が再購入率です。**まだその日数がたっていない人は、分子にも分母にも入れません**。来ていないのか、これから来るのか、だれにも分からないからです。

# %% [markdown] lang="en" of="be4155d8" part="repurchase"
# ## Will they come a second time?
#
# The repurchase rate is the share of first-time customers who come again within a set number of days. **Whoever has not had those days yet is left out, above and below the line**: nobody knows whether they stay away or are still to come.

# %%
first = orders.groupby("customer_id")["ordered_at"].transform("min")
orders["joined"] = first.dt.to_period("Q").astype(str)
by_quarter = crmkit.repurchase_rate(orders, horizon_days=90, as_of=when.as_of, by="joined")
by_quarter.tail(6)

# %% [markdown] lang="ja" part="groups"
# `by=` を付けると、グループごとの表になります。`n` が小さい行ほど、`low` と `high` の間が広いことを確かめてください。区間が重なる二つの四半期を「上がった」「下がった」と言うのは、まだ早いのです。最後の四半期の `n` が少ないのは、90 日を見届けた人しか数えないからです。

# %% [markdown] lang="en" of="28783b31" part="groups"
# With `by=` you get a table, one row per group. See how `low` and `high` lie further apart where `n` is small. If the intervals of two quarters overlap a lot, it is too early to say that one is better. The last quarter is small because only people watched for 90 days count.

# %% [markdown] lang="ja" part="exercise"
# ## 問題 2
#
# `when.newcomers` の 3 か月に初めて来た人の、**90 日以内**の再購入率を求めましょう。データがいつまでのものかは `when.as_of` に入っています。

# %% [markdown] lang="en" of="2021d92c" part="exercise"
# ## Exercise 2
#
# Find the repurchase rate **within 90 days** of those who first came in the three months of `when.newcomers`. The day the data end is in `when.as_of`.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = crmkit.repurchase_rate(orders, horizon_days=90, **when.newcomers, as_of=when.as_of)

# %%
lesson.check("08.2", answer_2)

# %% [markdown] lang="ja" part="cohorts"
# ## 月ごとに追いかける
#
# 同じ月に初めて来た人たちをひとまとめにして、その後を追います。これがコホート表です。**空白は「まだ見ていない」、0 は「見たが、だれも来なかった」**。この二つを混ぜると、新しい客ほど冷たく見えてしまいます。

# %% [markdown] lang="en" of="10ec4299" part="cohorts"
# ## Following them month by month
#
# Take everyone who first came in the same month and follow them: that is a cohort table. **An empty cell means "not seen yet", a zero means "seen, and nobody came"**. Mix the two up and your newest customers look colder than they are.

# %%
table = crmkit.cohort_retention(orders, as_of=when.as_of)
lesson.show(plot_cohort_retention(table), lesson.say_cohorts(table))

# %% [markdown] lang="ja" part="exercise"
# ## 問題 3
#
# 初来店が `when.cohort` の月だった人のうち、**その 2 か月後の月**に来た人の割合を求めましょう。

# %% [markdown] lang="en" of="5f45c068" part="exercise"
# ## Exercise 3
#
# Of those whose first visit was in the month of `when.cohort`, find the share that came **in the month two months later**.

# %% part="exercise"
answer_3 = ...
# solution
cell = (table["cohort"] == when.cohort) & (table["age"] == 2)
answer_3 = table.loc[cell, "retention"].iloc[0]

# %%
lesson.check("08.3", answer_3)

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴:良くなったように見える数
#
# この店が半年前に集客をやめていたら、と考えてみます。新規客を消しただけで、なじみ客の行動は何も変えていません。それでもリピーター率は上がるでしょうか、下がるでしょうか。

# %% [markdown] lang="en" of="62fcb7e1" part="trap"
# ## A trap: the number that only looks better
#
# Suppose this shop had stopped looking for new customers half a year ago. We only take the newcomers away; the regulars do exactly what they did. Will the repeaters' share of buyers rise or fall?

# %%
regulars = orders[first < when.half_year["start"]]
with_newcomers = crmkit.repeater_share(orders, **when.month)
without = crmkit.repeater_share(regulars, **when.month)
print(with_newcomers)
print(without)

# %% [markdown] lang="ja" part="trap"
# {{ float(with_newcomers) :.0%}} から {{ float(without) :.0%}} へ。割合は良くなりましたが、リピーターの人数は {{ with_newcomers.numerator }} 人から {{ without.numerator }} 人へ減っています。分母が細っただけです。**リピーター率は、新規客の数とならべて見ましょう。**

# %% [markdown] lang="en" of="58952bf2" part="trap"
# From {{ float(with_newcomers) :.0%}} to {{ float(without) :.0%}}: a better share, yet {{ without.numerator }} repeaters instead of {{ with_newcomers.numerator }}. Only the base got thinner. **Never read this share without the number of new customers beside it.**

# %% [markdown] lang="ja" part="takeaway" typed="a hundred per cent as a limit, not a result"
# ## まとめ
#
# - 率を聞いたら「分母はだれ?」「期間は?」「いつ時点?」
# - 割合でない「率」もあります。100% を超えたら疑いましょう
# - 見届けていない人は、0 ではなく「まだ分からない」
# - 維持率は同じ人どうし。離反は、その裏返しです
#
# 次の時間は、いつ離れるのかを追いかけます。

# %% [markdown] lang="en" of="f6a28147" part="takeaway" typed="a hundred per cent as a limit, not a result"
# ## To take away
#
# - Hear a rate, ask: who is below the line, which window, as of when?
# - Some "rates" are no shares. Above 100%, be suspicious
# - Whoever has not been watched is not a zero but a "not known yet"
# - Retention is about the same people; churn is its other side
#
# The next lesson follows *when* people leave.

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# 必要なのは「だれが」「いつ」買ったかの 2 列だけです。金額や取消の列があれば、それも使います。`MY_FILE` を書きかえたら、読み込みの報告で**使えなかった行の数**を最初に確かめましょう。

# %% [markdown] lang="en" of="ebbf9714" part="own_data"
# ## With your own data
#
# Two columns are enough: who bought, and when. Amounts and cancellations are used if they are there. Once `MY_FILE` is yours, look first at the loading report: **how many rows could not be used, and why**.
