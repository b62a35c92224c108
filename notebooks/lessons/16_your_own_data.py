# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: 自分のデータで, en: Your own data}
#     theme: all
#     objectives:
#       ja:
#         - 書き出したファイルを読み込み、どの行がなぜ使えなかったかを説明できる
#         - 列の対応を確かめ、間違いを直せる
#         - 自分のデータで何が計算できて、何が足りないかを言える
#         - 区間と定義の付いたレポートを1つ作れる
#       en:
#         - Load an export, and say which lines could not be used and why
#         - Check how your columns were understood, and correct that
#         - Say what your data can answer, and what is missing for the rest
#         - Make one report with intervals and definitions
#     prerequisites:
#       ja: レッスン08。CSVファイルを書き出せるソフトがあれば、ご自分のデータでも試せます
#       en: Lesson 08; a program that exports CSV, if you want to try your own data
#     teach_minutes: 25
#     exercise_minutes: 15
#     cut_if_late: [trap]
#     tables: [orders]
#     glossary: [customer_information, data_organization]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「レジから売上を書き出してみました。開くと見出しの上に題名があるし、日付は和暦だし、最後は合計の行です。これ、そのまま使えますか？」
#
# 会員名簿は店の大切な{{ term:customer_information }}で、売上はその人たちの買い物の記録です。どちらも使える形に整えるのが{{ term:data_organization }}です。手で直し始める前に、まず読み込んでみましょう。大事なのは「使えなかった行が何行あって、なぜか」を言えることです。

# %% [markdown] lang="en" of="ec58ced0" part="question"
# ## The manager asks
#
# "I exported our sales from the till. There is a title above the headers, the dates are in the Japanese calendar, and the last line is a total. Can you use that as it is?"
#
# The list of members is {{ term:customer_information }}, and sales say what these people bought. Making both usable is {{ term:data_organization }}. Before you edit anything by hand, load it. What matters: to be able to say how many lines could not be used, and why.
#
# `uriage.csv` ("sales") comes from a Japanese till: 伝票番号 slip number, 会員番号 member number, 来店日 date of visit, 出力日 date of export, お会計 amount paid, ポイント points, 状態 status (完了 completed, キャンセル cancelled), 合計 total. 令和 is the current era.

# %% [markdown] lang="ja" part="question" tags=["trainer"]
# **ここまで4分。** 「書き出したファイルを手で直したことがある人は？」と尋ね、何を直したかを二、三人に話してもらいます。直した記録が残っているかも聞きましょう。たいてい残っていません。それがこのレッスンの動機です。
#
# 受講者が持ってきたデータを、前の画面に映さないでください。名前や電話番号が入っていることがあります。

# %% [markdown] lang="en" of="9d59b43f" part="question" tags=["trainer"]
# **Four minutes up to here.** Ask who has ever mended an export by hand. Let two or three say what they changed, and whether anything records it. Hardly ever. That is why this lesson exists.
#
# Never show a learner's own data on the big screen: they may hold names and telephone numbers.

# %%
from crmkit.lessons import your_own_data as lesson

folder = lesson.exports()
print(lesson.first_lines(folder / "uriage.csv"))

# %% [markdown] lang="ja" part="predict"
# ## 予想してから動かす
#
# 何％の行が集計に使えるか、予想してください。そのあと「誰が」「いつ」「いくら」に当てる列を取り替えてみましょう。読み込めない組み合わせと、**読み込めるのに中身がおかしい**組み合わせがあります。

# %% [markdown] lang="en" of="6fe9d9e6" part="predict"
# ## Predict, then move
#
# Predict what share of the lines can be used. Then try other columns for who, when and how much. Some choices are refused; others **load without complaint and are wrong**.

# %%
lesson.which_columns()

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **7分。** 列を取り替えてもらい、「断られた組み合わせ」と「通ったのにおかしい組み合わせ」を一つずつ見つけるまで続けます。怖いのは後のほうです。「どうして通ったと思いますか」と聞きましょう。日付の列も数字の列も、形だけなら正しいからです。

# %% [markdown] lang="en" of="300dc44d" part="predict" tags=["trainer"]
# **Seven minutes.** Let people change columns until each has found one choice that is refused and one that passes and is wrong. The second kind is the dangerous one. Ask why it passed: as a date or a number it was well formed.

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# 読み込みは1行です。何の表か、どの列が何にあたるかは、よくある列名から自動で決まります。次の対応表では、「お手元の列」が元の列名、「crmkit の列」が crmkit での名前、「決め手」がそう判断した理由です。`customer_id`が「誰が」、`ordered_at`が「いつ」、`net_amount`が「いくら」です。数字を見る前に、必ずここを確かめましょう。

# %% [markdown] lang="en" of="e7048489" part="code"
# ## The code behind it
#
# Loading takes one line. crmkit recognises the table and its columns by their usual names. In the table below, "your column" is the name in your file, "column in crmkit" is crmkit's name for it, and "told by" says how it was recognised. `customer_id` is who, `ordered_at` when, `net_amount` how much. Check this table before you trust any figure.

# %%
till = crmkit.load(folder / "uriage.csv")
till.mapping

# %% [markdown] lang="ja" part="code"
# 対応が違っていたら、`columns={"net_amount": "お会計"}`のように「crmkit での名前: 元の列名」を書いて、読み込み直します。`till.mapping.save("shop.toml")`で対応表をファイルに残せば、来月は`columns="shop.toml"`で済みます。

# %% [markdown] lang="en" of="e8ebc94d" part="code"
# If a column is wrong, load again with `columns={"net_amount": "お会計"}`: crmkit's name first, then the name in your file. Keep the mapping with `till.mapping.save("shop.toml")`, and next month `columns="shop.toml"` is all it takes.

# %% [markdown] lang="ja" part="account"
# ## 行の行き先
#
# 読んだ行は、**使う**か**除外する**かのどちらかです。だまって消える行はありません（題名、空行、見出しは行数に入れません）。除外した行は`rejected`に、書き出されたままの形で残ります。下の二つ目の表は、理由ごとに最初の1行だけを見せています。`line`は元のファイルで何行目かです。

# %% [markdown] lang="en" of="b01f4a4d" part="account"
# ## Where every line went
#
# A line is either **loaded** or **set aside**. None disappears (the title, the blank line and the header are not counted). Lines set aside are kept in `rejected`, unchanged. The second table below shows one line for each reason; `line` is its number in the file.

# %%
till.problems[["column", "rows", "problem", "action"]]

# %%
till.rejected["orders"].groupby("reason").head(1)[["line", "reason", "会員番号", "来店日"]]

# %% [markdown] lang="ja" part="account"
# {{ len(till.orders) + len(till.rejected["orders"]) :,}}行のうち{{ len(till.rejected["orders"]) }}行を除外しました。会員番号のない行も、売上としては本物です。ただ「誰が」が分からないため、crmkit の集計には入りません。会員でないお客さまが多い店では、売上がその分だけレジより小さくなります。ファイルの最後の「合計」は{{ int(till.rejected["orders"]["お会計"].iloc[-1]) :,}}円、取り込んだ金額は{{ till.orders["net_amount"].sum() :,.0f}}円です。差は、除外した行の金額とぴったり合います。

# %% [markdown] lang="en" of="c7d0a1ba" part="account"
# Out of {{ len(till.orders) + len(till.rejected["orders"]) :,}} lines, {{ len(till.rejected["orders"]) }} were set aside. Those without a member number are real sales, but we do not know who bought, so crmkit leaves them out. If many of your customers are not members, your sales here will be that much lower than the till's. The total in the last line of the file is {{ int(till.rejected["orders"]["お会計"].iloc[-1]) :,}} yen, and {{ till.orders["net_amount"].sum() :,.0f}} yen were loaded: the difference is exactly what was set aside.

# %% [markdown] lang="ja" part="account" tags=["trainer"]
# **6分。** 「除外された行は誤りだ」と思う人が多いところです。会員番号のない行は、本物の売上です。誰の買い物かが分からないだけです。「この店の売上は」と「会員の売上は」を分けて言ってもらいましょう。
#
# 最後の「合計」の行に気づいた人がいたら、読み飛ばさないと売上が2倍になる、と話を広げられます。

# %% [markdown] lang="en" of="3730fbc3" part="account" tags=["trainer"]
# **Six minutes.** Many believe that lines set aside are errors. Those without a member number are real sales of unknown people. Let the room say separately what "the shop's sales" and "members' sales" would be.
#
# If someone noticed the total in the last line: had it been read as a sale, sales would have doubled.

# %% [markdown] lang="ja" part="two_files"
# ## 2つのファイルが合わない
#
# 会員名簿も一緒に読み込みます。すると、注文がすべて「名簿にない人」のものになりました。見比べると、名簿は`000000100`、売上は`100`。**会員番号の先頭の0が消えています**。番号を数値として書き出したときや、表計算ソフトで開いて保存したときに、よく起こります。`problems`の最後にその知らせがあり、`repairs`に、選べる直し方が並びます。

# %% [markdown] lang="en" of="712c84b6" part="two_files"
# ## Two files that do not meet
#
# Load the list of members as well, and every order belongs to somebody who is not on it. Compare: `000000100` in the list, `100` in the sales. **The leading zeros of the member numbers are gone.** This often happens when numbers are exported as figures, or when a file is opened and saved in a spreadsheet. The last of the `problems` says so, and `repairs` lists what can be done about it.

# %%
both = crmkit.load({"orders": folder / "uriage.csv", "customers": folder / "members.csv"})
both.customers.head(2)

# %%
print(both.problems["problem"].iloc[-1])

# %%
both.repairs

# %% [markdown] lang="ja" part="two_files"
# 和暦や「円」のように読み方が一つに決まるものは、読み替えて記録します。番号を書き換えたり、名簿にない人の行を取り除いたりするのは、頼まれたときだけです。ここでは`same_writing`を選びます。`drop_orphans`を選ぶと、注文がすべて消えてしまうからです。元のデータは変わりません。`fixed.undo()`で、直す前のデータに戻せます。

# %% [markdown] lang="en" of="a670e605" part="two_files"
# Where there is only one way to read a value, such as a Japanese date or the sign for yen, crmkit converts it and tells you. It rewrites ids, or removes orders of people not on the list, only if you ask. Here we choose `same_writing`; `drop_orphans` would remove every order. The original stays as it was, and `fixed.undo()` gives it back.

# %%
fixed = both.repair("orders.customer_id.same_writing")
fixed.repaired

# %% [markdown] lang="ja" part="two_files" tags=["trainer"]
# **5分。** 「CSV を表計算ソフトで開いて、そのまま保存したことがある人」と聞くと、ほとんどの手が挙がります。先頭の0は、そのときに消えます。
#
# `both.repairs`の二つの直し方を見せ、どちらを選ぶか、先に決めてもらいましょう。「行を取り除くほうが安全だ」と答える人には、残る行が何行かを尋ねます。

# %% [markdown] lang="en" of="dbb21b1b" part="two_files" tags=["trainer"]
# **Five minutes.** Ask who has opened a CSV in a spreadsheet and saved it. Nearly every hand goes up, and that is when leading zeros go.
#
# Show the two ways of `both.repairs` and let people choose before you go on. Whoever finds it safer to remove lines should say how many would be left.

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：読み込めたから正しい、とは限らない
#
# 金額に「ポイント」の列を当ててみます。数字の列なので、crmkit は何も言いません。

# %% [markdown] lang="en" of="24ff3b85" part="trap"
# ## A trap: loaded is not the same as right
#
# Take the column ポイント (points) for the amounts. It holds numbers, so crmkit has nothing to say against it.

# %%
wrong = crmkit.load(folder / "uriage.csv", columns={"net_amount": "ポイント"})
ratio = till.orders["net_amount"].sum() / wrong.orders["net_amount"].sum()
print(round(ratio, 1))

# %% [markdown] lang="ja" part="trap"
# 売上は約{{ ratio :.0f}}分の1になりました。検査に通っても、列の意味は人が確かめるしかありません。「お会計」が税込か税抜かも、crmkit には分かりません。**レジの日計と、どこか1日の合計を突き合わせましょう。** キャンセルと除外した行の分を考えても合わなければ、列の取り違えを疑います。

# %% [markdown] lang="en" of="e34fa11b" part="trap"
# Sales are now about {{ ratio :.0f}} times too small. crmkit cannot know what a column means, nor whether amounts include tax; you can. **Compare the total of any one day with the till's daily report.** If they differ by more than the cancelled visits and the lines set aside, suspect a wrong column.

# %% [markdown] lang="ja" part="shop" typed="file name and column names are the reader's own"
# ## ここからはご自分のデータで
#
# 次のセルの`MY_FILE`に`"売上.csv"`のようにファイル名を書き、ここから下を実行し直してください。ファイルは、このノートブックと同じフォルダーに置きます。列が自動で決まらないときだけ、`MY_COLUMNS`に`{"net_amount": "元の列名"}`の形で書きます。問題1には金額の列が必要です。何も書かなければ、さきほどの店のデータで進みます。次のセルは、行の行き先を、直し方（`mend`）も添えてもう一度表示します。

# %% [markdown] lang="en" of="02d64227" part="shop" typed="file name and column names are the reader's own"
# ## From here on with your own data
#
# Put your file into the folder of this notebook, write its name into `MY_FILE`, such as `"sales.csv"`, and run the cells from here on again. Only if a column is not recognised, write it into `MY_COLUMNS`, as in `{"net_amount": "your column"}`. Exercise 1 needs a column with amounts. If you change nothing, the lesson goes on with the shop above. The next cell shows once more where every line went, and how to mend it (`mend`).

# %% [markdown] lang="ja" part="shop" tags=["trainer"]
# **自分のデータがある人は10分、ない人は5分。** ない人は何も書かずに進めます。読み込みに失敗したら、次の順で見てください。ファイルはノートブックと同じフォルダーか。名前を引用符で囲んだか。列が決まらないと言われたら`MY_COLUMNS`に書いたか。
#
# それでも進まない人は、ターミナルで`crmkit check ファイル名`を実行すると、どの行で困っているかが分かります。データは、このパソコンの外には出ません。

# %% [markdown] lang="en" of="bd46d263" part="shop" tags=["trainer"]
# **Ten minutes with own data, five without.** Whoever has none changes nothing. If loading fails, look in this order: is the file in the notebook's folder? Is its name in quotes? If a column was not recognised, does `MY_COLUMNS` name it?
#
# If that does not help, `crmkit check FILE` in a terminal says which lines are the trouble. The data never leave the computer.

# %%
MY_FILE = None
MY_COLUMNS = {}

crm = crmkit.load({"orders": MY_FILE}, columns=MY_COLUMNS) if MY_FILE else fixed
orders = crm.orders
when = lesson.start(crm)
crm

# %%
when.month

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# 最後のまる1か月（`when.month`）の売上を、`crmkit.net_sales`で求めましょう。渡すのは、注文の表`orders`と期間です。`**when.month`と書くと、期間の始まりと終わりの日がまとめて渡ります（終わりの日は含みません）。金額の列を足すだけでは、キャンセルされた来店の分まで入ってしまいます。

# %% [markdown] lang="en" of="b9497279" part="exercise"
# ## Exercise 1
#
# Find the sales of the last full month (`when.month`) with `crmkit.net_sales`. Give it the table `orders` and the window: `**when.month` passes the start and the end (not included) at once. Just adding up the amounts would include cancelled visits.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.net_sales(orders, **when.month)

# %%
lesson.check("16.1", answer_1)

# %% [markdown] lang="ja" part="answers"
# ## このデータで何が言えるか
#
# 表や列が足りないと、計算できないものがあります。`crmkit.answerable`は、計算できる指標やモデルと、残りに**何が足りないか**を一覧にします。次のセルでは、まず顧客獲得単価（`cac`）に足りないものを見ます。続くかっこの中は、テーマごとの（計算できる個数, 全部の個数）です。

# %% [markdown] lang="en" of="5dfaa565" part="answers"
# ## What can these data say?
#
# Some figures need tables or columns that you do not have. `crmkit.answerable` lists the figures and models it can compute, and **what is missing** for the others. The next cell first shows what is missing for the customer acquisition cost (`cac`). Then it gives a pair for each theme: how many can be computed, and how many there are in all.

# %%
answers = crmkit.answerable(crm)
print(answers["cac"].missing)
answers.counts()

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# 顧客維持（`"retention"`）のテーマで、このデータから計算できる指標やモデルは何個ありますか。`answers.counts()["retention"]`が、その組です。

# %% [markdown] lang="en" of="1951a672" part="exercise"
# ## Exercise 2
#
# In the theme `"retention"`, how many figures and models can be computed from these data? The pair is `answers.counts()["retention"]`.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = answers.counts()["retention"][0]

# %%
lesson.check("16.2", answer_2)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **5分。** 「計算できない」を残念がる人がいます。足りない列が分かれば、来月から記録を始められます。自分の店ではどの列を足すと一番うれしいか、一つ選んでもらいましょう。

# %% [markdown] lang="en" of="16eb98de" part="exercise" tags=["trainer"]
# **Five minutes.** Some are disappointed by what cannot be computed. But knowing the missing column is how a shop begins to record it. Let each choose the one column that would help them most.

# %% [markdown] lang="ja" part="report"
# ## レポートにする
#
# データの状態、四つのテーマの指標、図、定義が、1つのHTMLファイルにまとまります。個人を特定する情報は入りません。次のセルは一時フォルダーに作ります。手元に残すには、`folder / "report.html"`を`"report.html"`に替えてください。このノートブックと同じ場所にできるので、ブラウザーで開けます。指標の対象期間はレポートの先頭にあり、問題1の1か月とは違います。

# %% [markdown] lang="en" of="9917722e" part="report"
# ## Make it a report
#
# One file holds the health of the data, the figures of all four themes, the pictures and the definitions. It contains nothing that identifies a person. The next cell puts it in a temporary folder. To keep it, write `"report.html"` instead of `folder / "report.html"`: it then lies beside this notebook, and opens in your browser. Its top says which period it covers; that is not the month of Exercise 1.

# %%
page = crmkit.report(crm, folder / "report.html", overwrite=True)
print(lesson.chapters(page))

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 数字を見る前に、列の対応と、除外した行を見ましょう
# - 直したら、何をしたかを残し、いつでも戻せるようにしましょう
# - 計算できない指標には、足りない表や列があります
# - 1日分の合計を、レジと突き合わせましょう

# %% [markdown] lang="en" of="81b0e2d5" part="takeaway"
# ## To take away
#
# - Before any figure, look at the columns and at the lines set aside
# - When you repair something, keep a record, and make sure you can undo it
# - If a figure cannot be computed, the list says which table or column is missing
# - Compare the total of one day with the till

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# CSVのほかに、Excel、Parquet、SQLite、DuckDB、PostgreSQL、フォルダーごとの読み込みもできます。ターミナルでは`crmkit check 売上.csv`で検査、`crmkit report 売上.csv --out report.html`でレポートになります。データそのものを社外に渡すときは、先に`crmkit.new_key`で鍵を作り、`crmkit.pseudonymize`で名前やIDを伏せてください。伏せたあとも、個人情報であることに変わりはありません。

# %% [markdown] lang="en" of="924de01f" part="own_data"
# ## With your own data
#
# Besides CSV, crmkit loads Excel, Parquet, SQLite, DuckDB, PostgreSQL and whole folders. In a terminal, `crmkit check sales.csv` examines a file and `crmkit report sales.csv --out report.html` makes the report. Before you give the data themselves to anyone outside, make a key with `crmkit.new_key` and replace names and ids with `crmkit.pseudonymize`. The result is still personal data.
