# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: 顧客データベース, en: The customer database}
#     theme: management
#     objectives:
#       ja:
#         - 2件の記録が同じ人かどうかを、手がかりの重みで説明できる
#         - しきい値を変えると、見落としと取り違えがどう入れ替わるかを言える
#         - データベースで検索・訂正・統合・質問ができ、間違えたら元に戻せる
#         - 二重の記録が、新規客数やリピート率をどう変えるかを測れる
#       en:
#         - Explain by weighed evidence whether two records are one person
#         - Say how moving the threshold trades people missed for people mixed up
#         - Search, correct, merge and ask in a database, and undo a mistake
#         - Measure what duplicate records do to new customers and the repeat rate
#     prerequisites:
#       ja: 割合の計算。リピート率はレッスン08で詳しく扱います
#       en: Shares and percentages; lesson 08 has more on repeat rates
#     teach_minutes: 30
#     exercise_minutes: 20
#     cut_if_late: [trap]
#     tables: [customers, orders]
#     glossary: [customer_information, data_organization, single_customer_view, customer_database, rating]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「同じお客さまに、誕生日のはがきが2枚届いたそうです。レジと予約サイトの両方に登録があったようで……。うちの名簿、いったい何人分なんでしょう？」
#
# 名簿の行数は「記録」の数で、「人」の数とは限りません。次のセルの二つは、レジ（`pos`）と予約サイト（`ec`）の記録です。「辺」と「邉」、読みがな（`name_kana`）の空白のほかは、同じに見えます。このレッスンでは、同じ人の記録を見つけ、確かめ、1つにまとめます。登場する人は架空です。IDの末尾の`D`は練習用の印で、見比べるときには使いません。

# %% [markdown] lang="en" of="2ca5549f" part="question"
# ## The manager asks
#
# "One customer got two birthday cards from us. She seems to be in the till and on the booking site. How many people are there on our list, really?"
#
# The rows of a list are records, and not always people. The two in the next cell come from the till (`pos`) and the booking site (`ec`). Both read *Watanabe Hidemi*: one character has another form, and a space is missing in `name_kana`, the reading in kana (letters that spell the sound). In this lesson you find such records, make sure, and bring them together. Everybody is invented. The `D` of the second id is for practice; it is not compared.

# %% [markdown] lang="ja" part="question" tags=["trainer"]
# **3分。** 「ご自分の店や学校の名簿で、同じ人が二度載っているのを見たことは？」と尋ねます。「どうして二つできたのか」まで聞くと、レジと予約サイト、結婚による改姓、機種変更などが出てきます。あとで見る手がかりの強さにつながります。

# %% [markdown] lang="en" of="9cfb30bb" part="question" tags=["trainer"]
# **Three minutes.** Who has seen one person twice on a list at work or at school? Ask also how the second record came about: till and booking site, a new name after a wedding, a new phone. It prepares for which evidence is strong.

# %%
from crmkit.lessons import customer_database as lesson
from crmkit.plots import plot_field_completeness

salon = lesson.salon()
lesson.start(salon)
people = salon.customers.set_index("customer_id")
people.loc[["C000004200", "C000004200D"], ["name", "name_kana", "source_system"]]

# %% [markdown] lang="ja" part="predict"
# ## 予想してから動かす
#
# この名簿には、二重に登録された人、電話を共有する家族、同じ町の同姓同名の人がいます。同じ人の二つ目からを**余分な記録**と呼びます。それは全体の何％でしょう。予想したら、比べるものと**しきい値**を動かします。似ている記録の組には、似かたの強さを表す**重み**が付いていて、しきい値以上の組を「同じ人」とみなします。左の図で斜線の組は、本当は別の人です。「全部」を比べるとき、しきい値がいくつになると、斜線の組が1つも入らなくなりますか。

# %% [markdown] lang="en" of="912acbd5" part="predict"
# ## Predict, then move
#
# Some people appear on this list twice, families share a phone, and namesakes live in the same town. A person's second record is **extra**, and so is any further one. What percentage of the records is extra? Predict, then change what is compared, and the **threshold**. Every pair of records that look alike has a **weight**, which says how strongly they do; from the threshold on, a pair counts as one person. The hatched pairs on the left are really two people. When everything is compared, from which threshold on does no hatched pair count?

# %%
lesson.who_is_who(salon)

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **6分。** 何人かに予想と理由を言ってもらいます。「名前が同じなら同じ人」という声が出たら、名前と生年月日だけに切り替えて見せましょう。手が止まった人には、しきい値だけを動かすよう勧めます。適合率と再現率は、言葉より先に「取り違え」「見落とし」で話すと伝わります。

# %% [markdown] lang="en" of="e05b6f3c" part="predict" tags=["trainer"]
# **Six minutes.** Ask two or three people for their prediction and the reason. If somebody says "same name, same person", switch to name and birth date only. Whoever is stuck should move only the threshold. Speak of "mixed up" and "missed" before you say precision and recall.

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# 全角と半角、ひらがなとカタカナ、「髙」と「高」などの書き方をそろえてから、項目ごとに見比べます。しきい値は、いま斜線の組が入らなくなった28にします。結果の`persons`は記録ごとに1行で、`person_id`が同じ行は、同じ人の記録です。`doubles`は、そのうち余分な記録です（`!=`は「等しくない」）。

# %% [markdown] lang="en" of="76b5b424" part="code"
# ## The code behind it
#
# First everything is brought into one way of writing: full and half width, the two kinds of kana, old and new forms of a character. Then the fields are compared one by one. The threshold is 28, from which no hatched pair counted. `persons` has one row per record; rows with the same `person_id` are one person. `doubles` are the extra records among them (`!=` means "is not").

# %%
persons = crmkit.match_customers(salon.customers, threshold=28)
doubles = persons[persons["customer_id"] != persons["person_id"]]
doubles[["customer_id", "person_id"]].head(3)

# %% [markdown] lang="ja" part="code"
# 見つけた組を重みの小さい順に並べ、先頭の、いちばん迷う組を見ます。1行が1つの手がかり（`evidence`）で、`grade`は比べた結果、`weight`は重みです。最後の行がその合計で、`match`は「しきい値に届いた」という意味です。名前などの値は`***`と伏せられ、空欄は`NaN`と出ます。値を見る必要があるときだけ、`personal=True`と書きます。

# %% [markdown] lang="en" of="f6b42385" part="code"
# Sort the pairs found by weight and look at the first, the least sure one. Each row is one piece of `evidence`: `grade` says how the two compare, `weight` how much that counts. The last row is the sum, and `match` means that it reaches the threshold. Names and other values are shown as `***`, empty cells as `NaN`. Only when you must see the values, write `personal=True`.

# %%
pairs = crmkit.match_customers(salon.customers, threshold=28, result="pairs").sort_values("weight")
first, second = pairs[["customer_id", "other_customer_id"]].iloc[0]
crmkit.explain_match(salon.customers, first, second, threshold=28)

# %% [markdown] lang="ja" part="code" typed="what a weight means, no result"
# `agree`は一致、`near`は少し違うだけ、`differ`は違う、`unknown`は空欄があって比べられない、という意味です。重みの合計が10増えると、確かさは約1000倍になります。下の名前や生年月日が違うと大きく引かれるので、家族はまとめられません。

# %% [markdown] lang="en" of="342b23d1" part="code" typed="what a weight means, no result"
# `agree`, `near` (a small difference) and `differ` say what they mean; `unknown` is an empty cell, which cannot be compared. A sum 10 higher means about a thousand times as sure. A different given name or birth date takes so much away that members of a family stay apart.

# %% [markdown] lang="ja" part="code" typed="the name of the interval"
# ## 見つけ方の点数
#
# 同じ人の記録を結び付けることを**名寄せ**といい、{{ term:single_customer_view }}の第一歩です。このデータは作りものなので、誰が誰かの正解（`truth`）があります。**適合率**は、見つけた組のうち正しい割合。**再現率**は、本当にある組のうち見つけた割合です。「95%信頼区間」は、組の数が少ないために値がどれだけ不確かかを表します。

# %% [markdown] lang="en" of="116427d4" part="code" typed="the name of the interval"
# ## How well did it go?
#
# These data are made up, so there is a truth about who is who. **Precision** is the share of the pairs found that are right. **Recall** is the share of the pairs there are that were found. The 95% interval tells how unsure the value is, with so few pairs.

# %%
loose = crmkit.match_customers(salon.customers, threshold=26)
at_26 = crmkit.match_precision_recall(loose, salon.truth.customers)
at_28 = crmkit.match_precision_recall(persons, salon.truth.customers)
for quality in (at_26, at_28):
    print(quality["precision"])
    print(quality["recall"])

# %% [markdown] lang="ja" part="code" typed="thresholds chosen in the code above, no results"
# しきい値26では、ほとんどを見つける代わりに{{ at_26["precision"].denominator - at_26["precision"].numerator }}組が別人です。28では別人が{{ at_28["precision"].denominator - at_28["precision"].numerator }}組になり、代わりに{{ at_28["recall"].denominator - at_28["recall"].numerator }}組を見落とします。見落としは、あとで直せます。別人の統合は気づきにくく、そのあいだに二人の履歴が混ざります。ですから、ここでは28を選びます。店が違えば、よいしきい値も違います。

# %% [markdown] lang="en" of="d447693c" part="code" typed="thresholds chosen in the code above, no results"
# At 26 nearly all are found, but {{ at_26["precision"].denominator - at_26["precision"].numerator }} of the pairs are two people. At 28 that number is {{ at_28["precision"].denominator - at_28["precision"].numerator }}, and {{ at_28["recall"].denominator - at_28["recall"].numerator }} are missed. What is missed can be merged later. Strangers who were merged are rarely noticed, and meanwhile their histories mix. So we take 28 here; another shop may need another threshold.

# %% [markdown] lang="ja" part="code" tags=["trainer"]
# **6分。** `grade`の表は、上から一行ずつ声に出して足していきます。「電話が空欄なら、別人の証拠ですか」と聞きましょう。空欄の重みは0で、味方でも敵でもありません。しきい値を「少しでも怪しければまとめる」ほうへ下げたい人には、「別人のカルテで薬剤を選んだら？」と尋ねます。

# %% [markdown] lang="en" of="6914f776" part="code" tags=["trainer"]
# **Six minutes.** Read the table aloud, row by row, and add up. Ask: is an empty phone number evidence for two people? No, it weighs nothing either way. To those who would rather merge too much than too little: what if a colour is mixed by somebody else's allergy notes?

# %% [markdown] lang="ja" part="definition"
# ## 言葉をそろえる
#
# {{ define:single_customer_view }}
#
# 表記をそろえ、欠けや重なりを直しておくことを、{{ term:data_organization }}といいます。

# %% [markdown] lang="en" of="b294d988" part="definition"
# ## Naming things
#
# {{ define:single_customer_view }}
#
# Writing everything in one way, filling gaps and mending duplicates is {{ term:data_organization }}.

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：連絡先が同じなら、同じ人？
#
# 「電話とメールが同じなら、間違いなく本人」。本当でしょうか。美容室の名簿で、その二つだけを比べてみます。手がかりが少なく重みの合計も小さいので、しきい値は下げてあります。

# %% [markdown] lang="en" of="30eaf115" part="trap"
# ## A trap: the same contacts, the same person?
#
# "If phone and email are the same, it must be the same person." Must it? Compare only these two on the salon's list. Two pieces of evidence add up to less, so the threshold is lower.

# %%
contacts = salon.customers[["customer_id", "email", "phone"]]
by_contacts = crmkit.match_customers(contacts, threshold=14)
precision = crmkit.match_precision_recall(by_contacts, salon.truth.customers)["precision"]
print(precision)

# %% [markdown] lang="ja" part="trap"
# 見つけた{{ precision.denominator }}組のうち、{{ precision.denominator - precision.numerator }}組は別人でした。母が娘の分も自分の電話で登録する、といったことがあるからです。一致した項目の数ではなく、**その一致が別人どうしでどれだけ起こりにくいか**を考えましょう。

# %% [markdown] lang="en" of="76035e21" part="trap"
# Of the {{ precision.denominator }} pairs found, {{ precision.denominator - precision.numerator }} are two people. A mother may have registered her daughter with her own phone. Do not count how many fields agree. Ask **how rarely two strangers, or two of one family, would agree in them**.

# %% part="exercise"
lesson.quiz("05.4")

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **クイズまで5分。** a を選ぶ人が多いはずです。「3対2の多数決」になっていないか、「同じ家に住む人なら、どれが同じになりますか」と聞き返します。手を挙げて選んでから押してもらうと、話し合いになります。

# %% [markdown] lang="en" of="cb3f022d" part="exercise" tags=["trainer"]
# **Five minutes with the quiz.** Many will choose a: three against two, as in a vote. Ask which of the five two people of one household would share anyway. A show of hands before anybody clicks starts the talk.

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ここからはご自分のデータで
#
# 次のセルの`MY_FILE`に、ファイルの名前か、CSVを入れたフォルダーの名前を`"shop"`のように書いて、ここから下を実行し直してください。顧客の表（ID、メール、名前か電話番号か生年月日）と注文の表（ID、日時）が必要です。足りないときは、何が足りないかが表示されます。何も書かなければ、美容室のデータで進みます。次のセルは、記録の数、注文の数、最後の半年（`end`の日は含みません）を表示します。

# %% [markdown] lang="en" of="b2423e3a" part="shop" typed="file name is the reader's own"
# ## From here on with your own data
#
# Write the name of your file, or of a folder of CSV files, into `MY_FILE`, in quotes like `"shop"`, and run the cells from here on again. You need a table of customers (id, email, and name, phone or birth date) and one of orders (customer id, date). If something is missing, you are told what. If you change nothing, the lesson goes on with the salon. The next cell shows the number of records, the number of orders, and the last half year (without its `end`).

# %%
MY_FILE = None

crm = crmkit.load(MY_FILE) if MY_FILE else salon
when = lesson.start(crm)
customers, orders = crm.customers, crm.orders
print(len(customers), len(orders))
when.half_year

# %% [markdown] lang="ja" part="completeness"
# ## 名簿はどこまで埋まっているか
#
# {{ define:customer_information }}
#
# 空欄があると、見比べる手がかりも減ります。まず、列ごとに埋まり方を見ましょう。`phone`は電話番号、`postal_code`は郵便番号、`prefecture`は都道府県、`city`は市区町村、`birth_date`は生年月日、`member_since`は会員になった日、`email_opt_in`は案内メールに同意したかどうかです。

# %% [markdown] lang="en" of="f84ad4bd" part="completeness"
# ## How complete is the list?
#
# {{ define:customer_information }}
#
# Where cells are empty, there is less evidence to compare. So look first at how much of each column is filled in. `member_since` is the day somebody became a member, `email_opt_in` whether they agreed to our mails, `registered_at` when the record was made.

# %%
filled = crmkit.field_completeness(customers)
lesson.show(plot_field_completeness(filled), lesson.say_filled(filled))

# %% [markdown] lang="ja" part="completeness"
# 空欄は、いつも悪いわけではありません。`opted_out_at`（案内メールを断った日）が空なのは、断っていないからです。そして、**使い道のない情報は、はじめから集めない**のが原則です。漏れる危険も、守る手間も増えるからです。誕生日の特典がないなら、生年月日は要るでしょうか。集めるなら、何に使うのかを先に伝えましょう。

# %% [markdown] lang="en" of="a54e5a38" part="completeness"
# An empty cell is not always a fault: `opted_out_at`, the day somebody stopped our mails, is empty for all who never did. And **what you have no use for you should not collect**: it can leak, and it has to be looked after. Without birthday offers, do you need birth dates? If you ask for something, say first what it is for.

# %% [markdown] lang="ja" part="completeness"
# 図のもとになった`filled`は、名簿の列ごとに1行の表で、`value`が埋まっている割合です。`set_index("column")`で`column`の中身を行の名前にすると、1つのマスの値を、行と列の名前で取り出せます。

# %% [markdown] lang="en" of="495050d0" part="completeness"
# The picture was drawn from `filled`, a table with one row per column of the list; `value` is the share filled in. With `set_index("column")` each row gets the name that stands in `column`. Then you take out one cell by the names of its row and its column.

# %%
by_column = filled.set_index("column")
print(by_column.loc["email", "value"])

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# `active`は、最後の半年（`when.half_year`）に注文のあった人の記録です（はじめの二行で作ってあります）。この人たちのうち、**メールアドレスがある割合**を求めましょう。上と同じように、`crmkit.field_completeness`の`"email"`の行、`"value"`の列を取り出します。丸めずに入れてください。

# %% [markdown] lang="en" of="f3adb8af" part="exercise"
# ## Exercise 1
#
# `active`, made by the first two lines, holds the records of those with an order in the last half year (`when.half_year`). **What share of them has an email address?** As above, take the row `"email"`, column `"value"`, of `crmkit.field_completeness`. Do not round it.

# %% part="exercise"
in_half_year = orders["ordered_at"].between(when.half_year["start"], when.half_year["end"], inclusive="left")
active = customers[customers["customer_id"].isin(orders[in_half_year]["customer_id"])]
answer_1 = ...
# solution
answer_1 = crmkit.field_completeness(active).set_index("column").loc["email", "value"]

# %%
lesson.check("05.1", answer_1)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **名簿の埋まり方から7分。** つまずきは書き方です。`filled`を作ったセルに戻り、`customers`を`active`に替えるだけだと気づかせます。早く終わった人には、「ご自分の店で、使っていないのに集めている項目は？」と聞きましょう。

# %% [markdown] lang="en" of="242ae76f" part="exercise" tags=["trainer"]
# **Seven minutes from the picture on.** What stops people is the notation: go back to the cell that makes `filled`, and let them find that only `customers` becomes `active`. Who is done early: what do you collect at work that nobody uses?

# %% [markdown] lang="ja" part="database"
# ## データベースに入れる
#
# {{ define:customer_database }}
#
# 計算の「親」は、たとえば注文に対する顧客です。表計算ソフトの表と違い、変更はすべて履歴に残り、あとからでも戻せます。次のセルで、すべての表が1つのファイルになります。置き場所は一時フォルダーで、ノートブックを閉じると消えます。最後の行は、SQLというデータベースの言葉での**質問**です。`count(*)`は行の数、`count(email)`は空欄でないメールの数です。

# %% [markdown] lang="en" of="4ccfd7f7" part="database"
# ## Into a database
#
# {{ define:customer_database }}
#
# (A customer is a parent, an order a child.) Unlike in a spreadsheet, every change is written in a journal and can be undone. The next cell puts all tables into one file. It lies in a temporary folder, which goes when you close the notebook. The last line **asks** a question in SQL, the language of databases; `count(*)` counts rows, `count(email)` the emails that are not empty.

# %%
path = crm.save(lesson.folder() / "shop.duckdb")
db = crmkit.CustomerDatabase(path, who="student")
db.ask("SELECT count(*) AS customers, count(email) AS with_email FROM customers")

# %% [markdown] lang="ja" part="database"
# **検索**は、覚えていることの一部で足ります。半角カナで探しても、漢字の名前が見つかります。`match`は、どの列が合ったかです。

# %% [markdown] lang="en" of="cb24fc0a" part="database"
# To **search**, a part of what you remember is enough. Here *Yamada* in half-width kana, as old tills print it, finds the name in its usual writing. `match` says which column fits.

# %%
db.find("ﾔﾏﾀﾞ").filter(["match", "customer_id", "name"]).head(3)

# %% [markdown] lang="ja" part="database"
# **訂正**すると、変更に番号が付きます。理由（`why`、日本語でかまいません）も書いておくと、あとで見た人が困りません。間違えたら`db.undo()`で戻ります。「行数：customers 1」は、`customers`の表の1行が変わったという意味です。

# %% [markdown] lang="en" of="75dabb23" part="database"
# When you **correct** something, the change gets a number. Write down the reason too, for whoever looks at it later. If it was a mistake, `db.undo()` takes it back. `rows customers 1` means that one row of the table `customers` was changed.

# %%
somebody = customers["customer_id"].iloc[-1]
print(somebody)
print(db.correct("customers", somebody, email="new@example.com", why="told us at the desk"))
print(db.undo())

# %% [markdown] lang="ja" part="database"
# **統合**では、片方の記録に付いた注文、メール、星の{{ term:rating }}などが、すべてもう片方に移ります。分かれたままでは、評価をくれた人が「くれない人」に見えかねません。空欄も埋まります。「案内メールは要らない」という返事は、どちらか一方にあれば残ります。統合したせいで、断った人に届いては困るからです。次のセルは、最初の1組だけを統合します。

# %% [markdown] lang="en" of="14ccda9c" part="database"
# When you **merge**, all that belongs to one record (orders, mails, a {{ term:rating }} in stars) goes to the other, and empty fields are filled. While the two stay apart, somebody who did rate you can seem never to have done so. If one of the two said "no" to mails, the "no" stays: nobody who refused may get mail because of a merge. The next cell merges only the first pair.

# %%
persons = crmkit.match_customers(customers, threshold=28)
doubles = persons[persons["customer_id"] != persons["person_id"]]
for row in doubles.head(1).itertuples():
    print(db.merge(keep=row.person_id, away=row.customer_id, why="the same person"))

# %% [markdown] lang="ja" part="panel"
# ## 窓口の画面で
#
# 店では、コードの代わりに次のような画面を使います。キーボードだけでも操作できます。「作業」を切り替えながら、順に試しましょう。
#
# 1. 名前の一部（「山田」など）で検索し、お客さまをひとり選ぶ
# 2. 市区町村を直し、理由を書く
# 3. 同じ人の記録を探し、手がかりを読んでから統合する
# 4. **履歴**（誰が、何を、なぜ変えたか）を読み、最後の変更を元に戻す

# %% [markdown] lang="en" of="876a28d2" part="panel"
# ## At the desk
#
# In a shop one works on a screen like this, not in code. The keyboard alone is enough. Change the task, and try in this order:
#
# 1. Search by a part of a name or id, such as `C0000066`, and choose a customer
# 2. Correct the city, with a reason
# 3. Look for duplicate records, read why they match, then merge
# 4. Read the **journal** (who changed what, and why), and take the last change back

# %%
lesson.database_panel(db, threshold=28)

# %% [markdown] lang="ja" part="panel" tags=["trainer"]
# **データベースから9分。** 画面に5分は取ります。二人一組で、一人が操作して一人が理由を言うとよく進みます。「全部まとめて統合したい」という人には、理由を1組ずつ読んだかを尋ねましょう。データベースのセルを実行し直した人は、画面のセルも実行し直す必要があります。

# %% [markdown] lang="en" of="c26c9b56" part="panel" tags=["trainer"]
# **Nine minutes from the database on,** five of them for the screen. It works well in pairs: one at the keyboard, one giving the reasons. If somebody wants to merge everything at once, ask whether they have read why each pair matches. Whoever runs the cell with the database again has to run the cell with the panel again too.

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# `persons`のとおりに全部を統合すると、**お客さまは何人**になりますか。データベースを変える必要はありません。`len(…)`は表の行数を、`nunique()`は列にある違う値の数を数えます。どちらからでも求められます。

# %% [markdown] lang="en" of="6a432179" part="exercise"
# ## Exercise 2
#
# If everything were merged as `persons` says, **how many customers** would there be? You need not change the database for that. `len(…)` counts the rows of a table, `nunique()` the different values of a column; you can get there with either.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = persons["person_id"].nunique()

# %%
lesson.check("05.2", answer_2)

# %% [markdown] lang="ja" part="figures"
# ## 二重の記録は、数字をどう変えるか
#
# 統合してしまう前に、注文の顧客IDだけを付け替えて、数字がどう変わるかを見ます。`whose`は、どの記録が誰のものかの対応表です。元の`orders`は変わりません。`**when.half_year`は、始まりと終わりの日をまとめて渡す書き方です。新規客の数は増えるでしょうか、減るでしょうか。先に予想してください。

# %% [markdown] lang="en" of="7145654c" part="figures"
# ## What duplicate records do to figures
#
# Before merging for good, give only the orders the new customer ids and see what the figures say. `whose` tells which person each record belongs to. `orders` itself stays as it is. `**when.half_year` passes the start and the end at once. Will the number of new customers rise or fall? Predict first.

# %%
whose = persons.set_index("customer_id")["person_id"]
merged = orders.assign(customer_id=orders["customer_id"].map(whose).fillna(orders["customer_id"]))
before = crmkit.new_customers(orders, **when.half_year)
after = crmkit.new_customers(merged, **when.half_year)
print(before)
print(after)

# %% [markdown] lang="ja" part="figures"
# 半年の新規客は{{ float(before) :.0f}}人から{{ float(after) :.0f}}人になりました。減った分は、前から来ていた人か、二度数えられた新しい人です。常連が別の記録でまた来ると、店はそれを「新しいお客さま」と数えてしまいます。集客の広告は、実際より効いたように見えます。

# %% [markdown] lang="en" of="9a8e2084" part="figures"
# The new customers of the half year went from {{ float(before) :.0f}} to {{ float(after) :.0f}}. The others had been customers before, or were new and counted twice. When a regular comes back under a second id, the shop counts somebody new, and its advertising looks better than it was.

# %% [markdown] lang="ja" part="exercise"
# ## 問題3
#
# リピート率（ここでは、一度でも買った人のうち、期間内にまた来た人の割合）も変わります。統合前は次のとおりです。**統合したあと**の、最後の半年（`when.half_year`）のリピート率を求めましょう。

# %% [markdown] lang="en" of="38963ee7" part="exercise"
# ## Exercise 3
#
# The repeat rate, here the share of all who ever bought that came back in the window, changes too. The next cell shows it before the merge. Find it for the last half year (`when.half_year`) **after the merge**.

# %%
rate_before = crmkit.repeat_rate(orders, **when.half_year)
rate_before

# %% part="exercise"
answer_3 = ...
# solution
answer_3 = crmkit.repeat_rate(merged, **when.half_year)

# %%
lesson.check("05.3", answer_3)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **問題2と3で7分。** 新規客が「増える」と予想した人に理由を聞きます。人数と記録の数を取り違えていることが多いです。リピート率の差は小さく見えますが、二重の記録が多い店ほど大きくなります。区間が重なるのは、同じお客さまを数え直しただけなので、二つの率を別々の調査のように比べてはいけません。

# %% [markdown] lang="en" of="5c7ea523" part="exercise" tags=["trainer"]
# **Seven minutes for exercises 2 and 3.** Ask those who expected more new customers why; they often count records, not people. The repeat rate moves only a little here, and more where more records are duplicates. The two intervals overlap, but they come from the same customers, counted twice: do not compare them like two surveys.

# %% [markdown] lang="ja" part="consent"
# ## 送ってよい人、忘れるべき人
#
# アドレスがあっても、送ってよいとは限りません。同意した人だけです。`db.contactable()`は、送ってよい人だけを返します。「私の情報を消してください」と言われたら、`db.forget`です。履歴からも消え、元には戻せません。注文などの行は、売上の合計が合うように、誰のものか分からないIDで残ります。次のセルは、アドレスのある人のうち、送ってよい人の割合です。

# %% [markdown] lang="en" of="a664fc15" part="consent"
# ## Whom to write to, whom to forget
#
# Having an address does not mean that you may use it; only consent does. `db.contactable()` gives those you may write to. If somebody asks to be erased, there is `db.forget`. It clears the journal too and cannot be undone; orders and other rows stay, under an id that leads nowhere, so that sales still add up. The next cell shows what share of those with an address you may write to.

# %%
crmkit.consent_rate(customers)

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 名簿の行数は、人の数とは限りません
# - 手がかりは、数ではなく重みで考えましょう
# - 迷ったら統合せず、統合するなら理由と戻り道を残しましょう
# - 二重の記録は、新規客を多く、リピート率を低く見せます
# - 使い道のない情報は集めず、同意のない人には送らないのが約束です

# %% [markdown] lang="en" of="3b33b2a1" part="takeaway"
# ## To take away
#
# - The rows of a list are records, not people
# - Weigh evidence; do not count it
# - If in doubt, do not merge; if you merge, keep the reason and a way back
# - Duplicate records show too many new customers, and too low a repeat rate
# - Collect only what you use, and write only to those who agreed

# %% [markdown] lang="ja" part="takeaway" tags=["trainer"]
# **同意の話から3分。** 「うちの名簿、何人分？」という店長の質問に、一人一文で答えてもらいます。「正確な数は言えないが、しきい値を決めればおよそ何人、ただし見落としがある」が言えれば合格です。

# %% [markdown] lang="en" of="d6e99a01" part="takeaway" tags=["trainer"]
# **Three minutes, consent included.** Back to the manager: how many people are on the list? One sentence each. "About so many with this threshold, and some pairs are still missed" is what you hope to hear.

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# `crm.save("shop.duckdb")`で作ったファイルは、次の日も`crmkit.CustomerDatabase("shop.duckdb")`で開けます。終わったら`db.close()`で閉じます。中には個人の情報が入っています。置き場所と、見てよい人を先に決めましょう。画面は`crmkit.widgets.database_panel`にあります。ご自分の名簿では正解が分からないので、統合の前に、しきい値の近くの組をいくつか目で確かめてください。

# %% [markdown] lang="en" of="2046437e" part="own_data"
# ## With your own data
#
# A file made with `crm.save("shop.duckdb")` opens again tomorrow with `crmkit.CustomerDatabase("shop.duckdb")`; close it with `db.close()` when you are done. It holds personal data: decide first where it lies and who may read it. The panel is in `crmkit.widgets.database_panel`. On your own list nobody knows the truth, so before you merge, look at some pairs near the threshold yourself.
