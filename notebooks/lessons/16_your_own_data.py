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
#         - 区間と定義の付いたレポートを1枚作れる
#       en:
#         - Load an export, and say which lines could not be used and why
#         - Check which column was taken for which, and correct it
#         - Say what your data can answer, and what is missing for the rest
#         - Make one report with intervals and definitions
#     prerequisites:
#       ja: レッスン08。CSVファイルを書き出せるソフトがあれば、ご自分のデータでも試せます
#       en: Lesson 08; a program that exports CSV, if you want to try your own data
#     teach_minutes: 25
#     exercise_minutes: 15
#     cut_if_late: [two_files, trap]
#     tables: [orders]
#     glossary: [customer_information, data_organization]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「レジから売上を書き出してみました。開くと見出しの上に題名があるし、日付は和暦だし、最後は合計の行です。これ、そのまま使えますか？」
#
# 手で直し始める前に、読み込んでみましょう。大事なのは「使えなかった行が何行あって、なぜか」を言えることです。

# %% [markdown] lang="en" of="c8b5887a" part="question"
# ## The manager asks
#
# "I exported our sales from the till. There is a title above the headers, the dates are in the Japanese calendar, and the last line is a total. Can you use that as it is?"
#
# Before anybody edits it by hand, load it. What matters is that you can say how many lines could not be used, and why.

# %%
from crmkit.lessons import your_own_data as lesson

folder = lesson.exports()
print(lesson.first_lines(folder / "uriage.csv"))

# %% [markdown] lang="ja" part="predict"
# ## 予想してから動かす
#
# 何％の行が数えられるか、予想してください。そのあと「だれが」「いつ」「いくら」に当てる列を取り替えてみましょう。読み込めない組み合わせと、**読み込めるのに中身がおかしい**組み合わせがあります。

# %% [markdown] lang="en" of="b515badf" part="predict"
# ## Predict, then move
#
# Predict what share of the lines can be counted. Then try other columns for who, when and how much. Some choices are refused, and some **load well and are wrong all the same**.

# %%
lesson.which_columns()

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# 読み込みは1行です。どの表か、どの列が何かは、よくある列名から自動で決まります。決め手は`crm.mapping`に出ます。数字を見る前に、必ずここを確かめましょう。

# %% [markdown] lang="en" of="a73f09f2" part="code"
# ## The code behind it
#
# Loading takes one line. Which table it is, and which column is which, is told by the usual names; `crm.mapping` says by what. Look here before you look at any figure.

# %%
till = crmkit.load(folder / "uriage.csv")
till.mapping

# %% [markdown] lang="ja" part="code"
# 列が違っていたら`columns={"net_amount": "お会計"}`のように書きます。`till.mapping.save("shop.toml")`で対応表をファイルに残せば、来月は`columns="shop.toml"`で済みます。

# %% [markdown] lang="en" of="204ba55d" part="code"
# If a column is wrong, write `columns={"net_amount": "お会計"}`. Keep the mapping with `till.mapping.save("shop.toml")`, and next month `columns="shop.toml"` is all it takes.

# %% [markdown] lang="ja" part="account"
# ## 行の行き先
#
# 読んだ行は、**使う**か**除外する**かのどちらかです。だまって消える行はありません。除外した行は`rejected`に、書き出されたままの形で残ります。

# %% [markdown] lang="en" of="7994a618" part="account"
# ## Where every line went
#
# A line is either **loaded** or **set aside**. None disappears. Those set aside are in `rejected`, as they stand in the file.

# %%
till.problems[["column", "rows", "problem", "action"]]

# %%
till.rejected["orders"].groupby("reason").head(1)[["line", "reason", "会員番号", "来店日"]]

# %% [markdown] lang="ja" part="account"
# {{ len(till.orders) + len(till.rejected["orders"]) :,}}行のうち{{ len(till.rejected["orders"]) }}行を除外しました。会員番号のない行は、売上としては本物です。ただ「だれが」が分からないので、顧客の数には入れられません。元のファイルで埋められるか、店で聞いてみましょう。

# %% [markdown] lang="en" of="f7a8c638" part="account"
# Out of {{ len(till.orders) + len(till.rejected["orders"]) :,}} lines, {{ len(till.rejected["orders"]) }} were set aside. Those without a member number are real sales; but nobody knows whose, so no figure about customers can count them. Ask at the shop whether they can be filled in.

# %% [markdown] lang="ja" part="two_files"
# ## 2つのファイルが合わない
#
# 会員名簿も一緒に読み込みます。すると、注文がすべて「名簿にない人」のものになりました。見比べると、名簿は`000000100`、売上は`100`。表計算ソフトで一度開いたときに、**先頭の0が消えた**のです。

# %% [markdown] lang="en" of="5f158fa2" part="two_files"
# ## Two files that do not meet
#
# Load the list of members as well, and every order belongs to somebody who is not on it. Compare: `000000100` in the list, `100` in the sales. Somebody opened the file in a spreadsheet, and **the leading zeros were gone**.

# %%
both = crmkit.load({"orders": folder / "uriage.csv", "customers": folder / "members.csv"})
both.repairs

# %% [markdown] lang="ja" part="two_files"
# crmkit は勝手に直しません。頼んだ直し方だけを、新しいデータに対して行います。`fixed.undo()`でいつでも戻せます。

# %% [markdown] lang="en" of="0330e6f8" part="two_files"
# crmkit mends nothing unasked. It does what you ask for on a new object; `fixed.undo()` takes it back at any time.

# %%
fixed = both.repair("orders.customer_id.same_writing")
fixed.repaired

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
ratio

# %% [markdown] lang="ja" part="trap"
# 売上は{{ ratio :.0f}}分の1になりました。検査に通っても、意味は人が確かめるしかありません。**レジの日計と、どこか1日の合計を突き合わせましょう。** それだけで、ほとんどの取り違えが見つかります。

# %% [markdown] lang="en" of="b299b10d" part="trap"
# Sales are {{ ratio :.0f}} times too small. A check cannot know what a column means; you can. **Compare the total of any one day with the till's own slip.** That alone finds most mix-ups.

# %% [markdown] lang="ja" part="shop" typed="file name and column names are the reader's own"
# ## ここからはご自分のデータで
#
# 次のセルの`MY_FILE`にファイル名、`MY_COLUMNS`に列名を書いて、ここから下を実行し直してください。よくある列名なら`MY_COLUMNS`は`{}`のままで構いません。何も書かなければ、さきほどの店のデータで進みます。

# %% [markdown] lang="en" of="951f7163" part="shop" typed="file name and column names are the reader's own"
# ## From here on with your own data
#
# Write your file's name into `MY_FILE` and your column names into `MY_COLUMNS`, and run the cells from here on again. With usual names `MY_COLUMNS` may stay `{}`. If you write nothing, the shop above is used.

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
# 最後のまる1か月（`when.month`）の売上を求めましょう。列を足すだけでは、キャンセルや返金まで数えてしまいます。

# %% [markdown] lang="en" of="1956ca0a" part="exercise"
# ## Exercise 1
#
# Find the sales of the last full month (`when.month`). Just adding up the column would count cancelled visits and refunds as well.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.net_sales(orders, **when.month)

# %%
lesson.check("16.1", answer_1)

# %% [markdown] lang="ja" part="answers"
# ## このデータで何が言えるか
#
# 足りない列があれば、計算できない数があります。`crmkit.answerable`は、どの数が計算できて、残りには**どの列が足りないか**を一覧にします。組の数字は「計算できる数、全部の数」です。

# %% [markdown] lang="en" of="6169a8fe" part="answers"
# ## What can these data say?
#
# Without its columns, a figure cannot be had. `crmkit.answerable` lists which figures can, and for the rest **exactly which column is missing**. Each pair says how many can be had, out of how many.

# %%
answers = crmkit.answerable(crm)
print(answers["cac"].missing)
answers.counts()

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# 顧客維持（`"retention"`）のテーマで、このデータから計算できる数はいくつありますか。

# %% [markdown] lang="en" of="3c548983" part="exercise"
# ## Exercise 2
#
# In the theme `"retention"`, how many figures can be had from these data?

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = answers.counts()["retention"][0]

# %%
lesson.check("16.2", answer_2)

# %% [markdown] lang="ja" part="report"
# ## レポートにする
#
# 一つのファイルに、データの状態、四つのテーマの数、図、定義がまとまります。個人情報は入りません。保存先は`"report.html"`のように好きな名前にできます。

# %% [markdown] lang="en" of="2561af0e" part="report"
# ## Make it a report
#
# One file holds the health of the data, the figures of all four themes, the pictures and the definitions. No personal data go into it. Choose any name for it, such as `"report.html"`.

# %%
page = crmkit.report(crm, folder / "report.html", overwrite=True)
print(lesson.chapters(page))

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 数字を見る前に、列の対応と、除外した行を見ましょう
# - 直すのは頼まれたことだけ。何をしたかを残し、戻せるようにしましょう
# - 計算できない数には、足りない列があります
# - 1日分の合計を、レジと突き合わせましょう

# %% [markdown] lang="en" of="0cf92173" part="takeaway"
# ## To take away
#
# - Before any figure, look at the columns and at the lines set aside
# - Mend only what was asked for, keep a note of it, and be able to go back
# - A figure that cannot be had lacks a column: the list says which
# - Compare the total of one day with the till

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# CSVのほかに、Excel、Parquet、SQLite、DuckDB、PostgreSQL、フォルダーごとの読み込みもできます。端末なら`crmkit check 売上.csv`で検査、`crmkit report 売上.csv --out report.html`でレポートになります。社外に渡す前に、`crmkit.pseudonymize`で名前を伏せてください。

# %% [markdown] lang="en" of="cb085d4a" part="own_data"
# ## With your own data
#
# Besides CSV, crmkit loads Excel, Parquet, SQLite, DuckDB, PostgreSQL and whole folders. In a terminal, `crmkit check sales.csv` examines a file and `crmkit report sales.csv --out report.html` makes the report. Before data leave the house, hide the names with `crmkit.pseudonymize`.
