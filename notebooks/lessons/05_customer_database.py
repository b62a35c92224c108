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
#         - Measure what second records do to new customers and the repeat rate
#     prerequisites:
#       ja: 割合の計算。リピート率はレッスン08で詳しく扱います
#       en: Shares and percentages; lesson 08 has more on repeat rates
#     teach_minutes: 30
#     exercise_minutes: 20
#     cut_if_late: [rating, trap]
#     tables: [customers, orders]
#     glossary: [customer_information, data_organization, single_customer_view, customer_database, rating]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「同じお客さまに、誕生日のはがきが2枚届いたそうです。レジと予約サイトの両方に登録があったようで……。うちの名簿、いったい何人分なんでしょう？」
#
# 名簿の行数は「記録」の数で、「人」の数とは限りません。次のセルの二つは、レジ（`pos`）と予約サイト（`ec`）の記録です。「辺」と「邉」のほかは同じに見えます。このレッスンでは、同じ人の記録を見つけ、確かめ、1つにまとめます。登場する人は、すべて架空です。

# %% [markdown] lang="en" of="e5e1e353" part="question"
# ## The manager asks
#
# "One customer got two birthday cards from us. She seems to be in the till and on the booking site. How many people are there on our list, really?"
#
# The rows of a list are records, and not always people. The two in the next cell come from the till (`pos`) and the booking site (`ec`). Both names read *Watanabe Hidemi*; only one sign is written in another form. In this lesson you find the records of one person, make sure, and bring them together. Everybody in the data is invented.

# %%
from crmkit.lessons import customer_database as lesson
from crmkit.plots import plot_field_completeness

salon = lesson.salon()
people = salon.customers.set_index("customer_id")
people.loc[["C000004200", "C000004200D"], ["name", "name_kana", "source_system"]]

# %% [markdown] lang="ja" part="predict"
# ## 予想してから動かす
#
# この名簿には、二重に登録された人、電話を共有する家族、同じ町の同姓同名の人がいます。余分な記録は全体の何％でしょう。予想したら、比べるものと**しきい値**（どこから「同じ人」とみなすか）を動かします。間違った組が1つもなくなるのはどこからですか。

# %% [markdown] lang="en" of="1975f8d3" part="predict"
# ## Predict, then move
#
# On this list some people stand twice, families share a phone, and namesakes live in the same town. What percentage of the records is one too many? Predict, then change what is compared, and the **threshold** from which two records count as one person. From where on is no pair wrong?

# %%
lesson.who_is_who(salon)

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# 何人かに予想と理由を言ってもらいます（5分）。「名前が同じなら同じ人」という声が出たら、名前と生年月日だけに切り替えて見せましょう。手が止まった人には、しきい値だけを動かすよう勧めます。適合率と再現率は、言葉より先に「取り違え」「見落とし」で話すと伝わります。

# %% [markdown] lang="en" of="c92365b7" part="predict" tags=["trainer"]
# Ask two or three people for their prediction and the reason (5 minutes). If somebody says "same name, same person", switch to name and birth date only. Whoever is stuck should move only the threshold. Speak of "mixed up" and "missed" before you say precision and recall.

# %% [markdown] lang="ja" part="code"
# ## 中で動いているコード
#
# 全角と半角、ひらがなとカタカナ、「髙」と「高」などの書き方をそろえてから、項目ごとに見比べます。結果は記録ごとに1行です。`person_id`が同じ行は、同じ人の記録です。

# %% [markdown] lang="en" of="0d352061" part="code"
# ## The code behind it
#
# First everything is brought into one way of writing: full and half width, kinds of kana, old and new forms of kanji. Then the fields are compared one by one. The result has one row per record; rows with the same `person_id` are one person.

# %%
persons = crmkit.match_customers(salon.customers, threshold=28)
doubles = persons[persons["customer_id"] != persons["person_id"]]
doubles[["customer_id", "person_id"]].head(3)

# %% [markdown] lang="ja" part="code"
# 見つけた中で、いちばん迷う組を見てみます。手がかりごとに、**重み**を足していきます。重みが10増えると、確かさは約1000倍です。下の名前や生年月日が違うと大きく引かれるので、家族はまとめられません。電話番号などの値は`***`と伏せられます。見る必要があるときだけ、`personal=True`と書きます。

# %% [markdown] lang="en" of="9b491893" part="code" typed="what a weight means, no result"
# Look at the least sure of the pairs found. Each piece of evidence adds its **weight**; 10 more means about a thousand times as sure. A different given name or birth date takes so much away that members of a family stay apart. Phone numbers and the like are shown as `***`. Only when you must see them, write `personal=True`.

# %%
pairs = crmkit.match_customers(salon.customers, threshold=28, result="pairs").sort_values("weight")
first, second = pairs[["customer_id", "other_customer_id"]].iloc[0]
crmkit.explain_match(salon.customers, first, second, threshold=28)

# %% [markdown] lang="ja" part="code"
# ## 見つけ方の点数
#
# このデータは作りものなので、誰が誰かの正解（`truth`）があります。**適合率**は、見つけた組のうち正しい割合。**再現率**は、本当にある組のうち見つけた割合です。

# %% [markdown] lang="en" of="48e34ab2" part="code"
# ## How well did it go?
#
# These data are made, so there is a truth about who is who. **Precision** is the share of the pairs found that are right. **Recall** is the share of the pairs there are that were found.

# %%
loose = crmkit.match_customers(salon.customers, threshold=26)
at_26 = crmkit.match_precision_recall(loose, salon.truth.customers)
at_28 = crmkit.match_precision_recall(persons, salon.truth.customers)
for quality in (at_26, at_28):
    print(quality["precision"])
    print(quality["recall"])

# %% [markdown] lang="ja" part="code" typed="thresholds chosen in the code above, no results"
# しきい値26では、ほとんどを見つける代わりに{{ at_26["precision"].denominator - at_26["precision"].numerator }}組が別人です。28では別人が{{ at_28["precision"].denominator - at_28["precision"].numerator }}組になり、代わりに{{ at_28["recall"].denominator - at_28["recall"].numerator }}組を見落とします。見落としは、あとで直せます。別人の統合は、気づきにくく、直すのも大変です。ですから、ここでは28を選びます。店が違えば、よいしきい値も違います。

# %% [markdown] lang="en" of="196a5459" part="code" typed="thresholds chosen in the code above, no results"
# At 26 nearly all are found, but {{ at_26["precision"].denominator - at_26["precision"].numerator }} of the pairs are two people. At 28 that number is {{ at_28["precision"].denominator - at_28["precision"].numerator }}, and {{ at_28["recall"].denominator - at_28["recall"].numerator }} are missed. What is missed can be merged later. Strangers who were merged are hard to notice and hard to part. So we take 28 here; another shop may need another threshold.

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
# Bringing everything into one writing, filling gaps and mending doubles is {{ term:data_organization }}.

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：連絡先が同じなら、同じ人？
#
# 「電話とメールが同じなら、まちがいなく本人」。本当でしょうか。美容室の名簿で、その二つだけを比べてみます。

# %% [markdown] lang="en" of="56ae826b" part="trap"
# ## A trap: the same contacts, the same person?
#
# "If phone and email are the same, it must be the same person." Must it? Compare only these two on the salon's list.

# %%
contacts = salon.customers[["customer_id", "email", "phone"]]
by_contacts = crmkit.match_customers(contacts, threshold=14)
precision = crmkit.match_precision_recall(by_contacts, salon.truth.customers)["precision"]
print(precision)

# %% [markdown] lang="ja" part="trap"
# 見つけた{{ precision.denominator }}組のうち、{{ precision.denominator - precision.numerator }}組は別人でした。母が娘の分も自分の電話で登録する、といったことがあるからです。一致した項目の数ではなく、**その一致が別人どうしでどれだけ起こりにくいか**を考えましょう。

# %% [markdown] lang="en" of="76035e21" part="trap"
# Of the {{ precision.denominator }} pairs found, {{ precision.denominator - precision.numerator }} are two people: a mother registers her daughter with her own phone. Do not count how many fields agree. Ask **how rarely two strangers, or two of one family, would agree in them**.

# %%
lesson.quiz("05.4")

# %% [markdown] lang="ja" part="rating"
# ## 記録に結び付くもの
#
# 来店も、メールも、星の{{ term:rating }}も、顧客IDで人に結び付きます。IDが2つに分かれていると、片方だけを見て「評価をくれたことのない人」と思い込みます。そもそも、評価をくれるのは一部の人です。平均には、何点満点で何件の答えなのかを、必ず添えましょう。

# %% [markdown] lang="en" of="bc4dff1e" part="rating"
# ## What hangs on a record
#
# Visits, mails and a {{ term:rating }} in stars belong to a person by the customer id. With two ids you look at one of them and believe that this customer never rated you. And only some customers rate at all. Always say beside a mean what the scale is, and how many answered.

# %%
stars = lesson.rating_summary(salon.feedback)
stars

# %% [markdown] lang="ja" part="rating"
# 星の数は1から5まで。名簿の{{ len(salon.customers) }}件に対して、評価は{{ stars.denominator :.0f}}件でした。

# %% [markdown] lang="en" of="d4e7839e" part="rating"
# The stars go from one to five. The list has {{ len(salon.customers) }} records, and there are {{ stars.denominator :.0f}} ratings.

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ここからはご自分のデータで
#
# 次のセルの`MY_FILE`に、ファイルの名前か、CSVを入れたフォルダーの名前を書いて、ここから下を実行し直してください。顧客の表（ID、メール、名前か電話番号か生年月日）と注文の表（ID、日時）が必要です。足りないときは、何が足りないかが表示されます。何も書かなければ、美容室のデータで進みます。次のセルは、記録の数、注文の数、最後の半年を表示します。

# %% [markdown] lang="en" of="aae4eb47" part="shop" typed="file name is the reader's own"
# ## From here on with your own data
#
# Write the name of your file, or of a folder of CSV files, into `MY_FILE` and run the cells from here on again. You need a table of customers (id, email, and name, phone or birth date) and one of orders (customer id, date). If something is missing, you are told what. If you change nothing, the lesson goes on with the salon. The next cell shows the number of records, the number of orders, and the last half year.

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
# 空欄があると、見比べる手がかりも減ります。まず、列ごとに埋まり方を見ましょう。

# %% [markdown] lang="en" of="405b8c2e" part="completeness"
# ## How complete is the list?
#
# {{ define:customer_information }}
#
# Where cells are empty, there is less evidence to compare. So look first at how much of each column is filled in.

# %%
filled = crmkit.field_completeness(customers)
lesson.show(plot_field_completeness(filled), lesson.say_filled(filled))

# %% [markdown] lang="ja" part="completeness"
# 空欄は、いつも悪いわけではありません。退会日が空なのは、まだお客さまだからです。そして、**使い道のない情報は、はじめから集めない**のが原則です。漏れる危険も、守る手間も増えるからです。誕生日の特典がないなら、生年月日は要るでしょうか。集めるなら、何に使うのかを先に伝えましょう。

# %% [markdown] lang="en" of="44c70599" part="completeness"
# An empty cell is not always a fault: who never left the mailing list has no day of leaving it. And **what you have no use for you should not collect**: it can leak, and it has to be looked after. Without birthday offers, do you need birth dates? If you ask for something, say first what it is for.

# %% [markdown] lang="ja" part="exercise"
# ## 問題1
#
# `active`は、最後の半年（`when.half_year`）に注文のあった人の記録です。この人たちのうち、**メールアドレスがある割合**を求めましょう。`crmkit.field_completeness`の`"email"`の行、`"value"`の列です。

# %% [markdown] lang="en" of="4b5ae931" part="exercise"
# ## Exercise 1
#
# `active` holds the records of those with an order in the last half year (`when.half_year`). **What share of them has an email address?** Take the row `"email"`, column `"value"`, of `crmkit.field_completeness`.

# %% part="exercise"
in_half_year = orders["ordered_at"].between(when.half_year["start"], when.half_year["end"], inclusive="left")
active = customers[customers["customer_id"].isin(orders[in_half_year]["customer_id"])]
answer_1 = ...
# solution
answer_1 = crmkit.field_completeness(active).set_index("column").loc["email", "value"]

# %%
lesson.check("05.1", answer_1)

# %% [markdown] lang="ja" part="database"
# ## データベースに入れる
#
# {{ define:customer_database }}
#
# 表計算ソフトの表と違い、変更は履歴に残り、いつでも戻せます。次のセルで、すべての表が1つのファイルになります。置き場所は一時フォルダーで、ノートブックを閉じると消えます。最後の行は、SQLというデータベースの言葉での**質問**です。`count(email)`は、空欄でないメールの数です。

# %% [markdown] lang="en" of="6f5ddd4b" part="database"
# ## Into a database
#
# {{ define:customer_database }}
#
# Unlike in a spreadsheet, every change is written in a journal and can be undone. The next cell puts all tables into one file. It lies in a temporary folder, which goes when you close the notebook. The last line **asks** a question in SQL, the language of databases; `count(email)` counts the emails that are not empty.

# %%
path = crm.save(lesson.folder() / "shop.duckdb")
db = crmkit.CustomerDatabase(path, who="student")
db.ask("SELECT count(*) AS customers, count(email) AS with_email FROM customers")

# %% [markdown] lang="ja" part="database"
# **検索**は、覚えていることの一部で足ります。半角カナで探しても、漢字の名前が見つかります。`match`は、どの列が合ったかです。

# %% [markdown] lang="en" of="cb24fc0a" part="database"
# To **search**, a part of what you remember is enough: half-width kana (here *Yamada*) find a name in kanji. `match` says which column fits.

# %%
db.find("ﾔﾏﾀﾞ").filter(["match", "customer_id", "name"]).head(3)

# %% [markdown] lang="ja" part="database"
# **訂正**すると、変更に番号が付きます。理由も書いておくと、あとで見た人が困りません。間違えたら`db.undo()`で戻ります。

# %% [markdown] lang="en" of="772f6105" part="database"
# When you **correct** something, the change gets a number. Write down the reason too, for whoever looks at it later. If it was a mistake, `db.undo()` takes it back.

# %%
somebody = customers["customer_id"].iloc[-1]
print(somebody)
print(db.correct("customers", somebody, email="new@example.com", why="told us at the desk"))
print(db.undo())

# %% [markdown] lang="ja" part="database"
# **統合**では、片方の記録のものが、すべてもう片方に移ります。空欄も埋まります。「案内メールは要らない」という返事がどちらか一方にあれば、そちらが残ります。統合したせいで、断った人にメールが届いては困るからです。

# %% [markdown] lang="en" of="28dcbccc" part="database"
# When you **merge**, all that belongs to one record goes to the other, and empty fields are filled. If one of the two said "no" to mails, the "no" stays: nobody who refused may get mail because of a merge.

# %%
persons = crmkit.match_customers(customers, threshold=28)
doubles = persons[persons["customer_id"] != persons["person_id"]]
for row in doubles.head(1).itertuples():
    print(db.merge(keep=row.person_id, away=row.customer_id, why="the same person"))

# %%
db.journal()[["change", "who", "what", "table", "key"]].drop_duplicates().head(6)

# %% [markdown] lang="ja" part="panel"
# ## 窓口の画面で
#
# 店では、コードの代わりに次のような画面を使います。キーボードだけでも操作できます。順に試しましょう。
#
# 1. 名前の一部で検索し、お客さまをひとり選ぶ
# 2. 市区町村を直し、理由を書く
# 3. 同じ人の記録を探し、理由を読んでから統合する
# 4. SQLで質問する
# 5. 履歴を読み、最後の変更を元に戻す

# %% [markdown] lang="en" of="e7503316" part="panel"
# ## At the desk
#
# In a shop one works on a screen like this, not in code. The keyboard alone is enough. Try in this order:
#
# 1. Search by a part of a name, and choose a customer
# 2. Correct the city, with a reason
# 3. Look for second records, read why they match, then merge
# 4. Ask a question in SQL
# 5. Read the journal, and take the last change back

# %%
lesson.database_panel(db, threshold=28)

# %% [markdown] lang="ja" part="panel" tags=["trainer"]
# 10分ほど取り、二人一組で、一人が操作して一人が理由を言うとよく進みます。「全部まとめて統合したい」という人には、理由を1組ずつ読んだかを尋ねましょう。データベースのセルを実行し直した人は、画面のセルも実行し直す必要があります。

# %% [markdown] lang="en" of="e69aa6ae" part="panel" tags=["trainer"]
# Allow ten minutes. It works well in pairs: one at the keyboard, one giving the reasons. If somebody wants to merge everything at once, ask whether they have read why each pair matches. Whoever runs the cell with the database again has to run the cell with the panel again too.

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# `persons`のとおりに全部を統合すると、**お客さまは何人**になりますか。データベースを変える必要はありません。

# %% [markdown] lang="en" of="6adcf8c8" part="exercise"
# ## Exercise 2
#
# If everything were merged as `persons` says, **how many customers** would there be? You need not change the database for that.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = persons["person_id"].nunique()

# %%
lesson.check("05.2", answer_2)

# %% [markdown] lang="ja" part="figures"
# ## 二重の記録は、数字をどう変えるか
#
# 統合してしまう前に、注文の顧客IDだけを付け替えて、数字がどう変わるかを見ます。元の`orders`は変わりません。新規客の数は増えるでしょうか、減るでしょうか。先に予想してください。

# %% [markdown] lang="en" of="d8418e20" part="figures"
# ## What second records do to figures
#
# Before merging for good, give only the orders the new customer ids and see what the figures say. `orders` itself stays as it is. Will the number of new customers rise or fall? Predict first.

# %%
whose = persons.set_index("customer_id")["person_id"]
merged = orders.assign(customer_id=orders["customer_id"].map(whose).fillna(orders["customer_id"]))
before, after = (crmkit.new_customers(table, **when.half_year) for table in (orders, merged))
print(before)
print(after)

# %% [markdown] lang="ja" part="figures"
# 半年の新規客は{{ float(before) :.0f}}人から{{ float(after) :.0f}}人になりました。減った分は、もう来ていた人です。常連が別の記録でまた来ると、店はそれを「新しいお客さま」と数えてしまいます。集客の広告は、実際より効いたように見えます。

# %% [markdown] lang="en" of="48906905" part="figures"
# The new customers of the half year went from {{ float(before) :.0f}} to {{ float(after) :.0f}}. The others had been customers before. When a regular comes back under a second record, the shop counts somebody new, and its advertising looks better than it was.

# %% [markdown] lang="ja" part="exercise"
# ## 問題3
#
# リピート率も変わります。統合前は次のとおりです。**統合したあと**の、最後の半年（`when.half_year`）のリピート率を求めましょう。

# %% [markdown] lang="en" of="46b48990" part="exercise"
# ## Exercise 3
#
# The repeat rate changes too. The next cell shows it before the merge. Find it for the last half year (`when.half_year`) **after the merge**.

# %%
rate_before = crmkit.repeat_rate(orders, **when.half_year)
rate_before

# %% part="exercise"
answer_3 = ...
# solution
answer_3 = crmkit.repeat_rate(merged, **when.half_year)

# %%
lesson.check("05.3", answer_3)

# %% [markdown] lang="ja" part="consent"
# ## 送ってよい人、忘れるべき人
#
# アドレスがあっても、送ってよいとは限りません。同意した人だけです。`db.contactable()`は、送ってよい人だけを返します。「私の情報を消してください」と言われたら、`db.forget`です。履歴からも消え、元には戻せません。注文の金額だけが、誰のものか分からない形で残ります。

# %% [markdown] lang="en" of="2dd0eea5" part="consent"
# ## Whom to write to, whom to forget
#
# Having an address does not mean that you may use it; only consent does. `db.contactable()` gives those you may write to. If somebody asks to be erased, there is `db.forget`. It clears the journal too and cannot be undone; only the orders stay, under an id that leads nowhere.

# %%
crmkit.consent_rate(customers)

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 名簿の行数は、人の数とは限りません
# - 手がかりは、数ではなく重みで考えましょう
# - 迷ったら統合しない。統合するなら、理由と戻り道を残す
# - 二重の記録は、新規客を多く、リピート率を低く見せます
# - 使い道のない情報は集めず、同意のない人には送らない

# %% [markdown] lang="en" of="1716b97c" part="takeaway"
# ## To take away
#
# - The rows of a list are records, not people
# - Weigh evidence; do not count it
# - If in doubt, do not merge; if you merge, keep the reason and a way back
# - Second records make new customers look many, and the repeat rate low
# - Collect only what you use, and write only to those who agreed

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# `crm.save("shop.duckdb")`で作ったファイルは、次の日も`crmkit.CustomerDatabase("shop.duckdb")`で開けます。終わったら`db.close()`で閉じます。中には個人の情報が入っています。置き場所と、見てよい人を先に決めましょう。画面は`crmkit.widgets.database_panel`にあります。ご自分の名簿では正解が分からないので、統合の前に、しきい値の近くの組をいくつか目で確かめてください。

# %% [markdown] lang="en" of="2046437e" part="own_data"
# ## With your own data
#
# A file made with `crm.save("shop.duckdb")` opens again tomorrow with `crmkit.CustomerDatabase("shop.duckdb")`; close it with `db.close()` when you are done. It holds personal data: decide first where it lies and who may read it. The panel is in `crmkit.widgets.database_panel`. On your own list nobody knows the truth, so before you merge, look at some pairs near the threshold yourself.
