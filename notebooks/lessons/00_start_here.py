# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: はじめに, en: Start here}
#     theme: all
#     objectives:
#       ja:
#         - セルを実行し、予想して、動かして、説明するというレッスンの進め方が分かる
#         - 表の1行が何を表すかを言える
#         - 「変えなかったらどうなっていたか」と比べるとはどういうことかを説明できる
#         - 数字を見たら「何を、どう数えたか」と聞ける
#       en:
#         - "Run a cell, and work through a lesson: predict, move, explain"
#         - Say what one row of a table stands for
#         - Explain what it means to compare with what would have happened otherwise
#         - Ask of any number what was counted, and how
#     prerequisites: {ja: なし。プログラムを書いたことがなくても大丈夫です, en: nothing; you need not have written a program before}
#     teach_minutes: 25
#     exercise_minutes: 15
#     cut_if_late: [truth]
#     tables: [orders]
#     glossary: [crm, customer_relationship, customer_management, retention, customer_handling, revenue]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「売上を伸ばしたいんです。クーポンの割引を増やす、返信を早くする、お知らせを増やす、接客を磨く。全部は無理なので、一つ選ぶならどれでしょう？」
#
# 本物の店では、全部試して比べることはできません。ここには、試せる店があります。コンピューターの中の美容室です。

# %% [markdown] lang="en" of="bd14e5d0" part="question"
# ## The manager asks
#
# "I want more sales. Bigger coupons, quicker replies, more newsletters, friendlier service: I cannot do it all. If I choose one, which?"
#
# In a real shop nobody can try them all and compare. Here you can: you are given a hair salon that lives inside the computer.

# %% [markdown] lang="ja" part="howto"
# ## この画面の使い方
#
# この画面を**ノートブック**、コードの入った灰色の枠を**セル**と呼びます。セルをクリックし、Shiftキーを押しながらEnterキーを押すと実行され、結果がすぐ下に出ます。左に`[*]`と出ている間は実行中です。
#
# いちばん上の灰色のセルから、順に実行してください。コードの意味は、まだ分からなくてかまいません。壊れることもありません。困ったら、メニュー「Kernel」の「Restart Kernel…」で再起動して、上からやり直せます。

# %% [markdown] lang="en" of="d2e434e7" part="howto"
# ## How to use this page
#
# This page is a **notebook**. The grey boxes with code in them are **cells**. Click into a cell, hold Shift and press Enter: it runs, and its result appears right below. While you see `[*]` beside it, it is still at work.
#
# Begin with the first grey cell at the top, then run one after another. You need not understand the code yet, and you cannot break anything. If you get lost, choose "Restart Kernel…" in the menu "Kernel" and begin again at the top.

# %%
from crmkit.lessons import start_here as lesson

salon = crmkit.sample("salon")
salon.orders[["order_id", "customer_id", "ordered_at", "status", "net_amount"]].head()

# %% [markdown] lang="ja" part="howto" typed="what a row is; no result"
# 表が出ました。**1行が1件の注文**、1列が一つの事実です。左端の数は行の番号（0から）。続いて注文番号、顧客番号、日時、状態（completedは成立、cancelledはキャンセル）、支払額（円）。`.head()`は初めの5行だけを見せます。全部では{{ len(salon.orders) :,}}行あります。{{ salon.orders["net_amount"].head().min() :,.0f}}円の行は、あとで話題になります。
#
# 言葉を変えたいときは、いちばん上のセルの`"ja"`を`"en"`にすると図とメッセージが英語になります。文章の英語版は`en`フォルダーにあります。

# %% [markdown] lang="en" of="e981691e" part="howto"
# That is a table. **One row is one order**, one column is one fact. At the far left the rows are numbered, from 0; then come the order's number, the customer's number, when it was, its status (completed or cancelled), and what was paid in yen. `.head()` shows only the first rows; there are {{ len(salon.orders) :,}}. We shall come back to the one of {{ salon.orders["net_amount"].head().min() :,.0f}} yen.
#
# Prefer Japanese? Write `"ja"` in place of `"en"` in the first cell, and pictures and messages follow. This text in Japanese is in the folder `ja`.

# %% [markdown] lang="ja" part="howto" tags=["trainer"]
# **ここまで6分。** 全員のセルが動くまで待ちます。つまずきの多くは、上のセルを飛ばしたことです（`NameError`と出ます）。「いちばん上から順に」と言えば直ります。経験者には、`.head()`を`.tail()`に変えると何が見えるかを試してもらいましょう。

# %% [markdown] lang="en" of="c1222986" part="howto" tags=["trainer"]
# **Six minutes up to here.** Wait until everybody's cells run. Most trouble comes from a cell that was skipped (`NameError`); "from the top, one by one" mends it. Those who know Python may change `.head()` to `.tail()` and say what they see.

# %% [markdown] lang="ja" part="predict" typed="settings of the widget, no result"
# ## 予想してから動かす
#
# どのレッスンも、**予想する→動かす→説明する**の順です。まず予想を数字で入れ、「予想を決める」を押します。外れても減点はありません。外れたときほど、よく覚えます。
#
# そのあと「レバー」（店長が決められること）と「力の入れ方」を変えてみましょう。

# %% [markdown] lang="en" of="c55286bf" part="predict"
# ## Predict, then move
#
# Every lesson goes **predict, move, explain**. First enter a number and press "Lock in my prediction". Being wrong costs nothing; those who were wrong remember best.
#
# Then change the lever (something the manager can decide) and the effort.

# %%
lesson.one_lever()

# %% [markdown] lang="ja" part="predict" typed="the level of an interval"
# 左の灰色の破線は、**変えなかったらどうなっていたか**です。同じお客さま、同じ運で、レバーだけが違います。右の縦の印が変化、太い線が**95%信頼区間**です。お客さまの顔ぶれが違えば、数字はこの幅のどこかになったかもしれません。0の線にかかっていれば、効果があるとは言い切れません。
#
# 割引の「見るもの」を注文数に変えてください。注文は増えたのに売上が減った理由を説明できますか。次に、四つのレバーを全部試します。売上をいちばん動かすのはどれでしょう。

# %% [markdown] lang="en" of="83fda322" part="predict" typed="the level of an interval"
# On the left, the dashed grey line is **what would have happened without the change**: the same customers, the same luck, only the lever differs. On the right, each mark is the change, and the thick bar around it is the **95% interval**: with other customers, the figure could have come out anywhere along the bar. Where a bar touches zero, we cannot be sure of any effect.
#
# Set "Look at" to orders, with the coupon discount. Orders rise and sales fall: can you explain why? Then try all four levers. Which moves sales most?

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **7分。** 予想は声に出さずに紙に書いてもらい、挙手で分布を見ます。たいていの人は「割引を増やせば売上も増える」と予想します。「来る回数は少し増えるが、割引なしでも来た人まで安く買う」という説明が会場から出るまで待ちましょう。接客の効果が大きいのは、この美容室がそう作られているからでもあります。接客を磨く費用も入っていません。

# %% [markdown] lang="en" of="43c5d2c6" part="predict" tags=["trainer"]
# **Seven minutes.** Let people write their prediction down before anybody speaks, then ask for hands. Most expect a bigger discount to bring bigger sales. Wait until somebody says it: a few more visits, but all those who would have come anyway pay less. Courtesy works so well partly because this salon was built that way, and training the staff costs nothing here.

# %% [markdown] lang="ja" part="code" typed="the setting of the lever, no result"
# ## 中で動いているコード
#
# 図の裏では、次のセルの1行目が動いています。「同じ2年間を2回くり返し、2回目だけ割引を0.4（4割引き）にする」という意味です。残りの行は、結果を表にするだけです。`effects`は2年間の1人あたりの平均（`orders`は件、`net_amount`は円）。`baseline`が変えない世界、`changed`が変えた世界、`difference`がその差、`low`から`high`までが差の95%信頼区間です。

# %% [markdown] lang="en" of="5e035ca3" part="code" typed="the setting of the lever, no result"
# ## The code behind it
#
# Behind the picture, the first line of the next cell is at work: "live the same two years twice, the second time with a discount of 0.4". The other lines make a table of the result. `effects` holds averages for one customer over those two years, orders by number and `net_amount` in yen: `baseline` is the world as it is, `changed` the other one, `difference` what lies between them, with its 95% interval from `low` to `high`.

# %%
worlds = crmkit.compare("salon", {"campaign_discount": 0.4})
effects = worlds.effects.set_index("outcome")
effects.loc[["orders", "net_amount"], ["baseline", "changed", "difference", "low", "high"]]

# %%
change = effects["difference"] / effects["baseline"]
change[["orders", "net_amount"]].round(3)

# %% [markdown] lang="ja" part="code" typed="a setting; per visit"
# 注文は{{ change["orders"] :+.1%}}、売上は{{ change["net_amount"] :+.1%}}でした（差を、変えない世界の値で割りました）。来店は少し増えても、1回の金額がもっと下がりました。`0.4`を`0.2`に変えて、もう一度実行してみてください。{{ term:revenue }}をいくつかに分けて読むのは、このコースの基本です。
#
# 店長への答え：この美容室では、接客のていねいさがいちばん効きます。ただし、接客を磨く費用はまだ引いていません。費用も入れて選ぶのがレッスン15です。

# %% [markdown] lang="en" of="67e4e09d" part="code" typed="a setting; per visit"
# Orders {{ change["orders"] :+.1%}}, sales {{ change["net_amount"] :+.1%}} (the difference divided by the baseline): a few more visits, each for less money. Change `0.4` to `0.2` and run the cells again. Splitting {{ term:revenue }} into its parts like this is how the course reads every figure.
#
# And the manager's question? In this salon courtesy moves sales most. But what it costs to teach has not been taken off yet. Lesson 15 chooses with the costs in view.

# %% [markdown] lang="ja" part="truth" typed="the ends of a scale"
# ## 真実の分かる店
#
# この美容室には、本物の店にはないものがあります。**真実**です。お客さまの満足（`satisfaction`）と愛着（`loyalty`）はどちらも0から1まで。客でなくなった日（`died_at`）も分かります。diedは「客としての終わり」の意味で、NaTは「まだ離れていない」です。だから、推測がどれだけ当たるかを確かめられます。練習用の世界なので、ここの数字を本物の店に当てはめてはいけません。

# %% [markdown] lang="en" of="9c0ba845" part="truth" typed="the ends of a scale"
# ## A shop whose truth is known
#
# This salon has something no real shop has: the **truth**. We can see each customer's satisfaction and loyalty, from 0 to 1, and the day they really left: `died_at`, where "died" means no more than "stopped being a customer" (NaT: has not left). So we can check how good a guess is. It is a world for practice: never carry its figures over to a real shop.

# %%
salon.truth.customers[["customer_id", "satisfaction", "loyalty", "died_at"]].head()

# %% [markdown] lang="ja" part="exercise"
# では、クイズです。一つ選んで「答える」を押してください。間違えると、なぜそう思いやすいのかを説明します。

# %% [markdown] lang="en" of="44af600d" part="exercise"
# Now a quiz. Choose one and press "Answer". If you choose a wrong one, you are told why it is tempting.

# %% part="exercise"
lesson.start(salon)
lesson.quiz("00.3")

# %% [markdown] lang="ja" part="chain"
# ## コース全体を1枚の図で
#
# お客さまと店のあいだでは、何かが次の何かを起こします。このコースは、この流れを四つのテーマに分けて調べます。全体をまとめて{{ term:crm }}（顧客関係管理）と呼びます。

# %% [markdown] lang="en" of="5def73e2" part="chain"
# ## The course in one picture
#
# Between customers and a shop, one thing leads to another. The course looks at this chain in four themes. The whole of it is called {{ term:crm }}, CRM for short.

# %%
lesson.chain()

# %% [markdown] lang="ja" part="definition"
# ## 四つのテーマ
#
# - {{ term:customer_relationship }}：店とお客さまの結び付き
# - {{ term:customer_management }}：お客さまの情報を整え、使えるようにしておくこと
# - {{ term:retention }}：一度買った人が離れず、買い続けてくれること
# - {{ term:customer_handling }}：質問や苦情を受けてから、どう応じるか
#
# 青い文字の言葉を押すと、用語集の説明に飛びます。一つだけ、ここで読んでみましょう。
#
# {{ define:customer_relationship }}

# %% [markdown] lang="en" of="e6cfe483" part="definition"
# ## Four themes
#
# - {{ Term:customer_relationship }}: the tie between a shop and its customers
# - {{ Term:customer_management }}: keeping what we know of customers in order and ready to use
# - {{ Term:retention }}: those who have bought once stay and keep buying
# - {{ Term:customer_handling }}: what we do once somebody asks or complains
#
# Linked words lead to the glossary. Here is one of its entries:
#
# {{ define:customer_relationship }}

# %%
from crmkit.training.lessons import lessons

lesson.course(lessons())

# %% [markdown] lang="ja" part="definition"
# いま開けるレッスンは{{ len(lessons()) }}本です。「準備中」とあるものはまだ書かれておらず、この先の文章に番号が出てきても開けません。
#
# 番号順でなくてもかまいません。気になる問いから始めてください。迷ったら、08、12、16の順がおすすめです。左のファイル一覧で、その番号で始まるファイルを開きます。

# %% [markdown] lang="en" of="4e9def82" part="definition"
# {{ len(lessons()) }} lessons are there. Those "still to come" have not been written: you may meet their numbers further on, but cannot open them yet.
#
# You need not follow the order: begin with the question that is yours. If none is, take 08, then 12, then 16. In the list of files on the left, open the one whose name begins with that number.

# %% [markdown] lang="ja" part="shop" typed="file and column names are the reader's own"
# ## 問題を解く
#
# 次のセルを、まずそのまま実行してください。店のデータにある{{ len(salon.tables) }}の表の一覧が出ます。その上の設定は読み飛ばしてかまいません。使うのは注文の表（orders）です。
#
# ここから下は、ご自分の店のデータでも動きます。このノートブックと同じフォルダーにファイルを置き、`None`を`"uriage.csv"`のような名前に変えて実行し直します。列が自動で分からないときは、`MY_COLUMNS`に`{"net_amount": "元の列名"}`と書きます。文章の中の数は、この美容室のものです。

# %% [markdown] lang="en" of="55671835" part="shop" typed="file and column names are the reader's own"
# ## Exercises
#
# Run the next cell as it is. It lists the settings of this shop, which you may skip, and its tables, {{ len(salon.tables) }} in all; we use the orders.
#
# From here on the lesson also runs on your own shop's data: put your file beside this notebook, write its name, such as `"sales.csv"`, in place of `None`, and run the cells again. If a column is not recognised, write `{"net_amount": "your column"}` into `MY_COLUMNS`. The numbers in the prose stay the salon's.

# %%
MY_FILE = None
MY_COLUMNS = {}

shop = crmkit.load(MY_FILE, columns=MY_COLUMNS) if MY_FILE else crmkit.sample("salon")
orders = lesson.start(shop)
shop

# %%
sold = lesson.went_ahead(orders)
len(orders), len(sold)

# %% [markdown] lang="ja" part="exercise"
# `orders`は全部の注文、`sold`は成立した注文です（キャンセルと、レジの試し打ちを除いたもの。初めの表の{{ salon.orders["net_amount"].head().min() :,.0f}}円も試し打ちでした）。`len(orders)`は行の数です。このように、名前のあとの括弧に表を入れて計算させます。
#
# ## 問題1
#
# この店は、全部でいくら売りましたか（円）。キャンセルは売上ではなく、返金した分は引きます。`...`を消して答えを書き、その下のセルも実行してください。分からなければ、`0`と書いて確かめるとヒントが出ます。ヒントは、試すたびに詳しくなります。

# %% [markdown] lang="en" of="ae1df446" part="exercise"
# `orders` has all orders; `sold` those that went ahead: none cancelled, no entries made to test the till, such as the {{ salon.orders["net_amount"].head().min() :,.0f}} yen of the first table. `len(orders)` is the number of its rows: a name, and in brackets the table to work on.
#
# ## Exercise 1
#
# How much has this shop sold in all, in yen? Cancelled orders are no sales, and refunds are taken off. Put your answer in place of `...` and run both cells. No idea? Write `0`, and you get a hint; each further try brings a plainer one.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.net_sales(orders)

# %%
lesson.check("00.1", answer_1)

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# 一度でも買ったお客さまは何人ですか。`sold`から数えましょう。

# %% [markdown] lang="en" of="cdbe5d3b" part="exercise"
# ## Exercise 2
#
# How many customers have bought at least once? Count them in `sold`.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = sold["customer_id"].nunique()

# %%
lesson.check("00.2", answer_2)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **問題二つで12分。** 答えの数より、間違い方を話題にします。`orders["net_amount"].sum()`とした人、`len(sold)`とした人に手を挙げてもらい、「その数は何を数えたものですか」と聞いてください。どちらも計算は正しく、数えたものが違うだけです。`"..."`と引用符を付けたまま書く人には、数字には引用符が要らないことを伝えます。

# %% [markdown] lang="en" of="680a8cc7" part="exercise" tags=["trainer"]
# **Twelve minutes for both exercises.** Talk about the wrong answers, not the right ones. Who wrote `orders["net_amount"].sum()`, who wrote `len(sold)`? Ask: "What does that number count?" Both are computed correctly; they count something else. Some put quotes around a number: tell them that numbers need none.

# %% [markdown] lang="ja" part="trap"
# ## 落とし穴：「うちのお客さまは何人？」
#
# 会議で店長が「うちのお客さまは{{ int(counted.iloc[0, 0]) }}人」、予約担当が「{{ int(counted.iloc[3, 0]) }}人」と言いました。どちらが間違っているのでしょう。予想してから実行してください。

# %% [markdown] lang="en" of="12200042" part="trap"
# ## A trap: how many customers do we have?
#
# In a meeting the manager says: "We have {{ int(counted.iloc[0, 0]) }} customers." The receptionist says: "{{ int(counted.iloc[3, 0]) }}." Who is wrong? Guess, then run the cell.

# %%
counted = lesson.customers_counted(shop)
counted

# %% [markdown] lang="ja" part="trap"
# 誰も間違っていません。年賀状を出すなら名簿の人数、来月の予約枠を決めるなら直近の人数です。**数字だけを信じず、「何を、いつからいつまで、どう数えましたか」と聞きましょう。** 本当に残っている人数は、ふつうの店では誰にも見えません。どう推測するかは、レッスン10のテーマです。

# %% [markdown] lang="en" of="84838716" part="trap"
# Nobody. To send season's greetings you need everyone on the list; to plan next month's chairs, those who came lately. **Do not believe a number before you have asked: what was counted, from when to when, and how?** How many have not left for good, no ordinary shop can see. How to estimate it is the subject of lesson 10.

# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# **4分。** 正解を言う前に、「自分の店のお客さまは何人か、と本部に聞かれたら、どの数を答えますか」と尋ねます。答えが割れたら成功です。「まだ離れていない」人数が「この12か月に買った」人数より少ない理由も聞いてみましょう。買ったあとで離れた人がいるからです。

# %% [markdown] lang="en" of="153e6a1d" part="trap" tags=["trainer"]
# **Four minutes.** Before you settle it, ask: "Head office wants to know how many customers your own shop has. Which number do you send?" If the answers differ, the lesson has worked. Ask too why fewer have stayed than have bought in the last 12 months: some left after they had bought.

# %% [markdown] lang="ja" part="takeaway"
# ## まとめ
#
# - 予想する、動かす、説明する
# - 表を見たら「1行は何？」と聞く
# - 効果は「変えなかったら」と比べる
# - 数字を見たら「何を、どう数えた？」と聞く

# %% [markdown] lang="en" of="b7565ef6" part="takeaway"
# ## To take away
#
# - Predict, move, explain
# - See a table, ask: what is one row?
# - An effect is a comparison with what would have happened otherwise
# - See a number, ask: what was counted, and how?

# %% [markdown] lang="ja" part="help"
# ## 進み具合と、困ったとき
#
# 解いた問題は、このパソコンの中だけに記録されます。名前も答えも残りません。次のセルの先頭の`#`を消して実行すると、進み具合が見えます。`crmkit.progress(export="my_progress.json")`で、講師に渡すファイルを作れます。
#
# - 言葉が分からない：用語集（青い文字の言葉を押す）
# - 動かない：ターミナル（左上の「＋」から開きます）で`crmkit doctor`
# - 答えが見たい：`solutions`フォルダー

# %% [markdown] lang="en" of="1c4788a0" part="help"
# ## Your progress, and where help is
#
# What you have solved is kept on this computer only, without your name or your answers. Take away the `#` in the next cell and run it to see how far you are. `crmkit.progress(export="my_progress.json")` writes a file that you can hand to your trainer.
#
# - A word you do not know: the glossary (follow the linked words)
# - Something does not run: `crmkit doctor` in a terminal (the "+" at the top left opens one)
# - You want to see an answer: the folder `solutions`

# %%
# crmkit.progress()

# %% [markdown] lang="ja" part="own_data" typed="file and column names are the reader's own"
# ## ご自分のデータで
#
# レジや通販サイトから書き出した表が一つあれば始められます。要るのは「誰が、いつ、いくら」の三つだけ。ターミナルで`crmkit check uriage.csv`とすると、読めた行、読めなかった行とその理由、分かることが出ます。列の名前は、たいてい自動で分かります。詳しくはレッスン16で。

# %% [markdown] lang="en" of="15468231" part="own_data" typed="file and column names are the reader's own"
# ## With your own data
#
# One table exported from your till or web shop is enough to begin. It needs three things: who, when, how much. In a terminal, `crmkit check sales.csv` says which rows could be read, which not and why, and what the data can answer. Usual column names are recognised. Lesson 16 takes you through it.
