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
#         - コホート表を読み、空白のマスが0ではない理由を言える
#       en:
#         - Say what a number called "repeat rate" divides by what
#         - Work out a repurchase rate, leaving out customers who have not been observed long enough
#         - Count retention among the same people, and explain where the textbook formula differs
#         - Read a cohort table, and say why an empty cell is not a zero
#     prerequisites:
#       ja: 割合の計算。Pythonは読めれば十分です。ノートブックが初めてなら、先にレッスン00を
#       en: Shares and percentages; reading a little Python is enough. If notebooks are new to you, lesson 00 first
#     teach_minutes: 27
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

# %% [markdown] lang="ja" part="question" tags=["trainer"]
# **ここまで5分。** 画面を見せる前に、「先月のリピート率をどう計算しますか」と尋ね、各自1行で紙に書いてもらいます。二人いれば、たいてい式が二つ出ます。どれも間違いではないと伝え、黒板に並べて残しておきましょう。あとで名前が付きます。
#
# 割り算が苦手そうな人には、「分母は誰ですか、と聞けるようになれば今日は合格です」と言っておくと楽になります。

# %% [markdown] lang="en" of="4791af41" part="question" tags=["trainer"]
# **Five minutes up to here.** Before you show anything, ask: "How would you work out last month's repeat rate?" Everyone writes one line on paper. Two people usually bring two formulas. Say that none of them is wrong, and leave them on the board: they will get names later.
#
# To those who fear fractions, say that whoever can ask "who is below the line?" has passed today.

# %%
from crmkit.lessons import repeat_and_retention as lesson
from crmkit.plots import plot_cohort_retention, plot_estimates

ten = crmkit.sample("ten_customers").orders
ten[["customer_id", "ordered_at", "net_amount"]].head()

# %% [markdown] lang="ja" part="predict" typed="what a row is; no result"
# ## 予想してから動かす
#
# 上の表は1行が1回の来店で、誰が（`customer_id`）、いつ（`ordered_at`）、いくら払ったか（`net_amount`、円）です。下の図では、点の一つ一つが来店です。
#
# 点の並びをながめて、3月のリピート率を予想しましょう。予想を決めると答えが出ます。そのあと、計算式・月・日数を動かしてみてください。名前の横の印が、分子と分母のどちらに入る人かを表します。

# %% [markdown] lang="en" of="b479e57b" part="predict"
# ## Predict, then move
#
# In the table above one row is one visit: who came (`customer_id`), when (`ordered_at`), and what they paid in yen (`net_amount`). In the picture below each visit is a dot.
#
# Look at the dots and predict the repeat rate of March. Lock it in, and the answer appears. Then change the formula, the month and the days. The sign beside each name says whether that customer is above the line, below it, or both.

# %%
lesson.many_numbers(ten)

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **8分。** 予想は、口に出さずに入力してもらいます。答えが出たら「外れた人は？」と手を挙げてもらい、どの人を数えたのかを尋ねましょう。外れた人の説明が、いちばんよい教材になります。
#
# よくある思い違いは「分母を変えるのはごまかしだ」。問いが変われば分母も変わります。ごまかしになるのは、分母を言わないときです。
#
# 図が出ない人は、いちばん上のセルから順に実行し直せば、たいてい直ります。

# %% [markdown] lang="en" of="86adf1be" part="predict" tags=["trainer"]
# **Eight minutes.** Predictions go into the field, not into the room. When the answer is out, ask who was off, and whom they had counted. Their reasoning is the best material you have.
#
# The usual misconception: "another denominator is cheating". Another question has another denominator; cheating is not to say which.
#
# If someone sees no picture, running all cells again from the top nearly always helps.

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
# 店長が聞いた三つの数と、再購入率を並べてみます。再購入率は、初来店から60日（`horizon_days`）以内に2回目の来店をした人の割合です。これだけは1月の新規客で数えます。3月の新規客は、データが終わるまで（`as_of`の前日まで）に60日たっていないからです。

# %% [markdown] lang="en" of="4c0da429" part="code"
# Here are the manager's three numbers, and beside them the repurchase rate: the share of newcomers who came a second time within 60 days (`horizon_days`). It is counted among January's newcomers, because those of March have not had 60 days when the data end (the day before `as_of`).

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
# 税理士さんは{{ float(cumulative) :.0%}}（累計が分母）、予約サイトは{{ float(of_buyers) :.0%}}（3月の購入者が分母）、本部は{{ float(per_newcomer) :.0%}}（新規1人あたり）でした。本部の数は割合ではありません。分子にいる{{ term:repeat_customer }}{{ per_newcomer.numerator }}人のうち、分母の新規客でもあるのはGさんだけだからです。残りの言葉は、次のように使い分けます。

# %% [markdown] lang="en" of="6166c29d" part="definition"
# ## Naming things
#
# The accountant says {{ float(cumulative) :.0%}} (of everyone so far), the booking site {{ float(of_buyers) :.0%}} (of March's buyers), head office {{ float(per_newcomer) :.0%}} (per newcomer). The last one is no share: of the {{ per_newcomer.numerator }} repeaters above the line (each a {{ term:repeat_customer }}) only G is among the newcomers below it. The other words are used like this.

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
# {{ term:existing_customer }}に通い続けてもらうのが{{ term:retention }}、離れられてしまうのが{{ term:churn }}です。
#
# {{ define:retention_rate }}
#
# 次のセルでは、最後の来店から60日たっていない人を「稼働中」とみなします。DさんとFさんは3月に来ていませんが、まだ稼働中です。出てきた表の「注意」まで読んでみてください。

# %% [markdown] lang="en" of="de0a117c" part="retention"
# ## Retention is about the same people
#
# Keeping an {{ term:existing_customer }} is {{ term:retention }}; losing one is {{ term:churn }}.
#
# {{ define:retention_rate }}
#
# In the next cell a customer is active for 60 days after a visit. D and F did not come in March, yet they are still active at its end. Read the table down to its note.

# %%
stayed = crmkit.retention_rate(ten, **march, active_days=60)
stayed

# %% [markdown] lang="ja" part="retention" typed="limits and hypotheticals, no results"
# 教科書の式は、表の (E−N)/S です。Eは期末の人数、Nは期間中の新規、Sは期首（期間の初め）の人数。答えは{{ stayed.besides["textbook"] :.0%}}になります。期首にいた{{ stayed.denominator }}人に加えて、離れていたAさんの復帰まで「維持」に数えるからです。100%を超えれば気づけます。でも、80%や90%のなかに混ざっていたら、誰も気づきません。

# %% [markdown] lang="en" of="737b8a15" part="retention"
# The textbook formula is the table's (E−N)/S: customers at the end, less the new ones, divided by those at the start. It gives {{ stayed.besides["textbook"] :.0%}}: among {{ stayed.denominator }} people who were there at the start it also counts A, who had been away and came back. Above a hundred per cent one notices. Mixed into an ordinary-looking result, nobody would.

# %% [markdown] lang="ja" part="retention" tags=["trainer"]
# **5分。** 維持率と再購入率を取り違える人が、どの教室にもいます。「前からいた人が残ったか」が維持率、「新しい人がもう一度来たか」が再購入率。一人の顧客を例に、どちらの分母に入るかを言ってもらうと、すぐに分かれます。
#
# 「維持率は1を超えますか？」と聞いてみましょう。超えると答えた人は、戻ってきた人まで数えています。

# %% [markdown] lang="en" of="ef9c3833" part="retention" tags=["trainer"]
# **Five minutes.** In every room somebody mixes up retention and repurchase. Retention: did those who were here stay? Repurchase: did the new ones come again? Take one customer and let people say below which line she stands.
#
# Ask: "Can retention be above one?" Whoever says yes also counts those who came back.

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
when = lesson.start(shop)
shop

# %%
when

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# `when`は、このデータで使う日付です。`month`は最後の1か月（月末の休みなど、3日までの欠けは許します）、`as_of`は最後の注文の次の日。あとは、出てきたときに説明します。
#
# その`when.month`について、**その月の終わりまでの180日間に来店した顧客を分母にした**リピート率を求めましょう。`base="active"`を使います。

# %% [markdown] lang="en" of="4b44a3fd" part="exercise"
# ## Exercise 1
#
# `when` holds the dates that the exercises ask about. `month` is the last month (up to three days may be missing at its end), `as_of` the day after the last order; the others are explained where they are used.
#
# For `when.month`, find the repeat rate **among the customers who came in the 180 days before its end**. You will need `base="active"`.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.repeat_rate(orders, **when.month, base="active", active_days=180)

# %%
lesson.check("08.1", answer_1)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **7分。** つまずくのは、たいてい式ではなく書き方です。`**when.month`の星印を忘れる、`answer_1`のセルを実行せずに確認のセルを動かす、の二つを先に見てください。
#
# 答えを早く出した人には、`active_days`を365に変えると率が下がるわけを、隣の人に説明してもらいましょう。

# %% [markdown] lang="en" of="b35a1151" part="exercise" tags=["trainer"]
# **Seven minutes.** People stumble over the writing, not the formula. Look for two things first: the stars of `**when.month` are missing, or the cell with `answer_1` was not run before the check.
#
# Whoever is done early explains to a neighbour why the rate falls when `active_days` becomes 365.

# %% [markdown] lang="ja" part="repurchase"
# ## 2回目は来るか
#
# 初めて来た人のうち、決めた日数のあいだに{{ term:repeat_purchase }}をした人の割合が再購入率です。**まだその日数がたっていない人は、分子にも分母にも入れません**。全員を分母に入れると率が低く出すぎ、もう戻った人だけを先に数えると高く出すぎるからです。

# %% [markdown] lang="en" of="70849ce8" part="repurchase"
# ## Will they come a second time?
#
# The repurchase rate is the share of first-time customers who make a {{ term:repeat_purchase }} within a set number of days. **Whoever has not had those days yet is left out, above and below the line**: keep them all below the line and the rate comes out too low; keep only those already back and it comes out too high.

# %%
first = orders.groupby("customer_id")["ordered_at"].transform("min")
orders["joined"] = first.dt.to_period("Q").astype(str)
by_quarter = crmkit.repurchase_rate(orders, horizon_days=90, as_of=when.as_of, by="joined")
by_quarter[["joined", "value", "low", "high", "n"]].tail(6)

# %% [markdown] lang="ja" part="groups"
# `by=`を付けると、グループごとの表になります。`first`は各顧客の初来店の日時、`joined`はその四半期（Q1は1〜3月）、`value`が再購入率、`n`が分母の人数です。`n`が小さい行ほど、`low`と`high`の間が広がります。区間が大きく重なる二つの四半期を「上がった」「下がった」と言うのは、まだ早いのです。
#
# 最後の四半期は`n`が0で、値はNaN（計算できない）です。初来店から90日たった人が、まだいません（簡単のため、`first`には取消も入れています）。

# %% [markdown] lang="en" of="286fb92a" part="groups"
# With `by=` you get a table, one row per group. `first` is when each customer first came, `joined` the quarter of that (Q1 is January to March), `value` the repurchase rate, `n` how many people are below the line. Where `n` is small, `low` and `high` lie far apart. If the intervals of two quarters overlap a lot, it is too early to call one of them better.
#
# The last quarter has `n` 0 and NaN, "cannot be computed": nobody there has had 90 days yet. (To keep the code short, `first` above also takes cancelled orders.)

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# `when.newcomers`の半年間に初めて来た人の、**90日以内**の再購入率を求めましょう。データがいつまでのものかは`when.as_of`に入っています。

# %% [markdown] lang="en" of="5732328d" part="exercise"
# ## Exercise 2
#
# Find the repurchase rate **within 90 days** of those who first came in the half year of `when.newcomers`. Where the data end is in `when.as_of`.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = crmkit.repurchase_rate(orders, horizon_days=90, **when.newcomers, as_of=when.as_of)

# %%
lesson.check("08.2", answer_2)

# %% [markdown] lang="ja" part="exercise"
# ## クイズ
#
# 答えを一つ選んで「答える」を押しましょう。`Tab`キーで選択肢へ進み、スペースキーで選ぶこともできます。

# %% [markdown] lang="en" of="11691b4b" part="exercise"
# ## A quiz
#
# Choose one answer and press "Answer". The keyboard works too: `Tab` to an answer, the space bar to choose it.

# %% part="exercise"
lesson.quiz("08.4")

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **7分。** いちばん多い思い違いは「まだ来ていない人は、来ない人」。「昨日初めて来たお客さまは、90日以内に戻りましたか？」と聞けば、「まだ分からない」という答えが受講者から出てきます。
#
# 行き詰まった人には、人の線を3本描いてもらいます。初来店から90日の帯が、データの終わりの日をはみ出す人が「外す人」です。

# %% [markdown] lang="en" of="9bdbda14" part="exercise" tags=["trainer"]
# **Seven minutes.** The most common misconception: whoever has not come yet does not come. Ask: "A customer came for the first time yesterday. Did she return within 90 days?" The room will say it: not known yet.
#
# If someone is stuck, let them draw three customers as lines. Those whose 90 days reach past the last day of the data are the ones to leave out.

# %% [markdown] lang="ja" part="cohorts"
# ## 月ごとに追いかける
#
# 同じ月に初めて来た人たちをひとまとめにして、その後を追います。これがコホート表です。**空白は「まだ分からない」、0は「誰も来なかった」**。混ぜてしまうと、最近の客ほど戻ってこないように見えます。`age`は初来店の月を0として数えた、経過月数です。次のセルは1（翌月）の行だけ。`size`は初来店の人数、`active`はそのうち来た人数です。
#
# データの最初の数か月には、前からの常連も「初めて」として混ざります。最後の月は、月末までのデータがそろわなければ空白のままです。

# %% [markdown] lang="en" of="08487507" part="cohorts"
# ## Following them month by month
#
# Take everyone who first came in the same month and follow them: that is a cohort table. **An empty cell means "not known yet", a zero means "nobody came"**. Mix the two up, and your newest customers seem not to come back. `age` counts months, from 0 for the month of the first visit. The next cell picks the rows of `age` 1, the month after: `size` is how many first came, `active` how many of them came again in it.
#
# The first months of any data are full of old regulars who only look new. Read them with care. The last month stays empty until its data are complete.

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

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **6分。** 表の右上から左下へ階段のように並ぶ空白を指して、「ここはなぜ空いていますか」と尋ねます。「客が来なかったから」と答える人が必ずいます。来なかったのなら0と書かれます。
#
# 「2か月後」を経過1と数える人には、初来店の月を指で0から数えてもらいましょう。

# %% [markdown] lang="en" of="dc2bce85" part="exercise" tags=["trainer"]
# **Six minutes.** Point at the empty cells that run like stairs through the table: why are they empty? Somebody will say that nobody came. Then there would be a zero.
#
# Whoever takes "two months later" for age 1 should count on the fingers, beginning with zero at the month of the first visit.

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：良くなったように見える数
#
# この店が半年前に集客をやめていたら、と考えてみます。半年以内に初めて来た人をデータから消します。常連の行動は何も変わりません。それでもリピーター率は上がるでしょうか、下がるでしょうか。

# %% [markdown] lang="en" of="d73f7d48" part="trap"
# ## A trap: the number that only looks better
#
# Suppose this shop had stopped looking for new customers half a year ago. We only take away those who first came since then; the regulars do exactly what they did. Will the repeaters' share of buyers rise or fall?

# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# **4分。** 実行する前に「上がる」「下がる」「変わらない」で手を挙げてもらいます。多くの人が「変わらない」を選びます。常連の行動は同じだからです。変わったのは分母のほうだと、自分で気づくまで待ちましょう。

# %% [markdown] lang="en" of="ad36e036" part="trap" tags=["trainer"]
# **Four minutes.** Before anybody runs the cell, let the room vote: up, down, or unchanged. Many choose unchanged, since the regulars do the same as ever. Wait until somebody sees that it is the denominator that moved.

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

# %% [markdown] lang="ja" part="takeaway" tags=["trainer"]
# **3分。** 最初に黒板に書いた式へ戻り、一つずつ名前を付けます。最後に一人ずつ、「自分の店で使っている率の分母は○○です」と言ってもらって終わります。言えない率があれば、それが明日職場で聞くことです。

# %% [markdown] lang="en" of="22de73c7" part="takeaway" tags=["trainer"]
# **Three minutes.** Go back to the formulas on the board and give each its name. Then everyone ends with one sentence: "The rate we use at work divides by …". A rate for which nobody can say it is tomorrow's question at work.

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# 必要なのは「誰が」「いつ」買ったかの2列だけです。金額の列がなければ`"net_amount": None`と書き、取消の列があれば`"status": "列名"`を足します。読み込んだら、**使えなかった行の数と理由**を最初に確かめましょう。

# %% [markdown] lang="en" of="a6f573bb" part="own_data"
# ## With your own data
#
# Two columns are enough: who bought, and when. Without amounts write `"net_amount": None`; if you have a column for cancellations, add `"status": "its name"`. Once your file is loaded, look first at **how many rows could not be used, and why**.
