# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: タイムリーな対応, en: Timely response}
#     theme: service
#     objectives:
#       ja:
#         - 返信時間を聞いたら「どの統計量、どの時計、何を返信とみなした値か」を確かめられる
#         - 平均・中央値・90%点を使い分け、SLA達成率を計算できる
#         - 「遅いほど不満」という主張を、表と、待ち時間だけを変えた世界の両方で確かめられる
#         - 返信しないまま閉じて良く見せた数字を見抜ける
#       en:
#         - Ask of any reply time which statistic, which clock, and what counts as a reply
#         - Choose between mean, median and 90th percentile, and work out SLA attainment
#         - Test the claim "the longer the wait, the greater the anger" in a table, and in a world where only the wait differs
#         - See through a figure that was made good by closing tickets without an answer
#     prerequisites:
#       ja: 割合の計算。Python は読めれば十分です。レッスン08が先だと、区間の見方が分かります
#       en: Shares and percentages; reading a little Python is enough. Lesson 08 helps with intervals
#     teach_minutes: 25
#     exercise_minutes: 20
#     cut_if_late: [channels]
#     tables: [tickets, ticket_events, business_hours, holidays, sla_policies, survey_responses]
#     glossary: [inquiry, timely_response, response_delay, service_guideline, contact_channel]
# ---

# %% [markdown] lang="ja" part="question"
# ## 店長の質問
#
# 「返信の速さを調べたら、チャットソフトの画面では約{{ float(automatic) :.0f}}分、本部の表では{{ float(at_desk) / 60 :.0f}}時間ほど。なのに、お客さまには『2日近く待った』と言われました。誰が間違っているんでしょう？」
#
# 誰も間違っていません。測り方が違うのです。このレッスンでは、測り方で数がどう変わるか、そして早く返信するとお客さまは本当に戻ってくるのかを確かめます。

# %% [markdown] lang="en" of="a104519e" part="question"
# ## The manager asks
#
# "I looked up how fast we reply. The chat software says: {{ float(automatic) :.0f}} minute. Head office says: about {{ float(at_desk) / 60 :.0f}} hours. And a customer tells me she waited for almost two days. Who is wrong?"
#
# Nobody is. They measure different things. In this lesson you will see how much the figure depends on that, and whether a quicker reply really brings customers back.

# %% [markdown] lang="ja" part="question" tags=["trainer"]
# **ここまで3分。** 「皆さんの店の返信は、どのくらいかかりますか」と尋ね、答えと一緒に「何を測った数ですか」も言ってもらいます。黒板に残し、最後に見直しましょう。

# %% [markdown] lang="en" of="0e1a147f" part="question" tags=["trainer"]
# **Three minutes up to here.** Ask how long a reply takes in their shops, and of every answer: what was measured? Leave the answers on the board and come back to them at the end.

# %%
from crmkit.lessons import timely_response as lesson
from crmkit.plots import plot_sla_attainment_rate

salon = crmkit.sample("salon")
salon.tickets[["ticket_id", "created_at", "channel", "kind", "priority"]].head()

# %% [markdown] lang="ja" part="predict" typed="the name of a statistic, or what a row is; no result"
# ## 予想してから動かす
#
# この美容室はシミュレーションですが、記録は実際の店と同じように残ります。1行が、質問・依頼・苦情のどれか1件です（`kind`が種類、`channel`が経路、`priority`が優先度）。担当者の最初の返信まで、**真ん中の人（中央値）**は何時間待つでしょうか。
#
# 予想したら、統計量（全体を代表させる数）や時計（「暦どおり」は夜も休みも数えます）を切り替えてください。「90%点」は、10人に9人がその時間までに返信をもらった、という値です。

# %% [markdown] lang="en" of="89324d70" part="predict"
# ## Predict, then move
#
# The salon is simulated, but it keeps records as a real one does: each row is one ticket, that is, a question, a request or a complaint (`kind`). How many hours does **the customer in the middle (the median)** wait for a person's first reply? Lock in your prediction. Then change the statistic (the one number that stands for all the waits), the clock (the calendar counts nights and closed days too), what counts as a reply, and the target. By the 90th percentile, nine in ten had their reply.

# %%
lesson.reply_times(salon)

# %% [markdown] lang="ja" part="predict" tags=["trainer"]
# **6分。** 予想は挙手で集めます。「数分」と「1日」に割れるのがふつうです。割れた理由を聞くと、思い浮かべた経路（電話か、メールか）や、夜間を数えるかどうかの違いが出てきます。操作に迷う人には、まず「時計」だけを切り替えてもらいましょう。

# %% [markdown] lang="en" of="1a2e4c9d" part="predict" tags=["trainer"]
# **Six minutes.** Collect predictions by show of hands. They usually split into "minutes" and "a day". Ask why: some think of the telephone, others of email; some count the night, others do not. If somebody is lost, let them switch only the clock first.

# %% [markdown] lang="ja" part="code" typed="the name of a statistic, or what a row is; no result"
# ## 中で動いているコード
#
# 必要なのは、問い合わせの表（`tickets`）と、いつ誰が何をしたかの記録（`ticket_events`）です。`log`はこの二つ、`opening`は営業時間と休業日をまとめたもので、`**log`と書くと、まとめて渡せます。
#
# `first_reply_time`（初回応答時間）は担当者の最初の返信まで、`complaint_ack_time`（受理通知までの時間）は自動返信も含む最初の返信までです（`kind=None`は全種類）。営業時間で測るには`hours="business"`を足します。

# %% [markdown] lang="en" of="41bbc81f" part="code"
# ## The code behind it
#
# Two tables are needed: the tickets, and the log of who did what and when (`ticket_events`). `log` holds these two, `opening` the opening hours and holidays; `**log` passes them on in one go.
#
# `first_reply_time` measures up to the first reply of a person, `complaint_ack_time` up to any first reply, even an automatic one (`kind=None`: of all kinds). `hours="business"` counts opening hours only.

# %%
desk = lesson.start(salon)
log, opening = desk.log, desk.opening

on_calendar = crmkit.first_reply_time(**log)
at_desk = crmkit.first_reply_time(**log, hours="business", **opening)
automatic = crmkit.complaint_ack_time(**log, kind=None)
for figure in (on_calendar, at_desk, automatic):
    print(figure)

# %% [markdown] lang="ja" part="code" typed="the name of a statistic, or what a row is; no result"
# 出てくるのは中央値（分）です。90%点がほしいときは`statistic="p90"`を足します。結果にはいつも**区間**が付きます。件数が限られるために、このくらいずれているかもしれない、という幅です。`n`は数えた件数です。
#
# ほかの数は`besides`（添え書き）にあります。`unanswered`は返信のない件、`agent_created`は担当者から始めたので数えない件です。同じ用件としてまとめられた{{ on_calendar.excluded["merged"] }}件も数えません。

# %% [markdown] lang="en" of="cc2e9bcb" part="code"
# These are medians, in minutes (min); with `statistic="p90"` you get the 90th percentile. Every result comes with an **interval**: how far off it may be because there are only so many tickets. `n` says how many were counted.
#
# More stands in `besides`: `unanswered` are tickets without a reply; `agent_created`, those our own people opened, are not counted. Nor are {{ on_calendar.excluded["merged"] }} that were merged into another.

# %%
on_calendar.besides

# %% [markdown] lang="ja" part="code" typed="the name of a statistic, or what a row is; no result"
# 時間に直すと、暦どおりの中央値は{{ float(on_calendar) / 60 :.1f}}時間、平均は{{ on_calendar.besides["mean"] / 60 :.1f}}時間です。夜や定休日をまたいだ長い待ち時間が、平均を中央値の{{ on_calendar.besides["mean"] / float(on_calendar) :.0f}}倍に引き上げました。**平均は「ふつうの人」の待ち時間ではありません。** 90%点は{{ on_calendar.besides["p90"] / 60 :.1f}}時間。10人に1人は、それより長く待っています。お客さまの「2日近く」は、この人たちの声でした。

# %% [markdown] lang="en" of="bc0e6816" part="code"
# On the calendar the median is {{ float(on_calendar) / 60 :.1f}} hours, the mean {{ on_calendar.besides["mean"] / 60 :.1f}} hours: long waits over nights and closed days pull it up to {{ on_calendar.besides["mean"] / float(on_calendar) :.0f}} times as much. **The mean is not what an ordinary customer waits.** The 90th percentile is {{ on_calendar.besides["p90"] / 60 :.1f}} hours: one customer in ten waits longer than that. "Almost two days" was the voice of one of them.

# %% [markdown] lang="ja" part="definition"
# ## 言葉をそろえる
#
# {{ define:timely_response }}
#
# 用語としての{{ term:inquiry }}は質問だけを指し、苦情とは分けて数えます。`tickets`の表や図では、質問・依頼・苦情をまとめて「問い合わせ」と呼んでいます。
#
# どちらの時計も正しいのですが、答える問いが違います。暦どおりの時計は「お客さまはどれだけ待ったか」、営業時間の時計は「営業中にどれだけたったか」です。

# %% [markdown] lang="en" of="84442eb6" part="definition"
# ## Naming things
#
# {{ define:timely_response }}
#
# An {{ term:inquiry }} is a question; complaints are counted apart. A ticket can be either, or a request.
#
# Both clocks are right, but they answer different questions. The calendar says how long the customer waited; opening hours say how long we could have worked on it.

# %% [markdown] lang="ja" part="definition" tags=["trainer"] typed="the name of a statistic, or what a row is; no result"
# **5分。** 「中央値」「平均」「90%点」を、それぞれ自分の言葉で言い直してもらいます。詰まる人には、待ち時間の短い順に並んだ10人を思い浮かべてもらい、5人目と9人目を指してもらいましょう。

# %% [markdown] lang="en" of="4c7217c2" part="definition" tags=["trainer"] typed="the name of a statistic, or what a row is; no result"
# **Five minutes.** Let people say in their own words what median, mean and 90th percentile are. Whoever is stuck thinks of ten customers in a row, the shortest wait first, and points to the fifth and the ninth.

# %% [markdown] lang="ja" part="delay"
# ## 遅いほど不満になる？
#
# {{ define:response_delay }}
#
# この店だけでは対応後のアンケートが少ないので、`crmkit.simulate`で、顧客がもっと多い美容室を作ります。`wait_band`は、回答に待ち時間の区分（分、暦どおり）を付けます。`0060-0240`なら1〜4時間です。`value`は満足（4点か5点）と答えた割合（`csat`）、`low`〜`high`はその区間です。

# %% [markdown] lang="en" of="764afbf5" part="delay"
# ## Does a longer wait make people angrier?
#
# {{ define:response_delay }}
#
# One small salon has too few survey answers, so let `crmkit.simulate` make a larger one. `wait_band` adds to each answer how long that customer waited (minutes, on the calendar; `0060-0240` is one to four hours). `value` is the share who said they were satisfied (`csat`, an answer of 4 or 5), `low` to `high` its interval.

# %%
town = crmkit.simulate("salon", customers=4000)
answers = crmkit.wait_band(town.survey_responses, town.tickets, town.ticket_events)
answers = answers.dropna(subset=["wait_band"])
bands = crmkit.csat(answers, by="wait_band")
bands[["wait_band", "value", "low", "high", "n"]]

# %% [markdown] lang="ja" part="delay"
# 1時間以内なら{{ bands["value"].iloc[0] :.0%}}、1日を超えると{{ bands["value"].iloc[-1] :.0%}}が満足。ずいぶん違います。では、全員に1時間以内に返信すれば、全体の満足も{{ bands["value"].iloc[0] :.0%}}になるのでしょうか。次のクイズで、一つ選んで「答える」を押しましょう。

# %% [markdown] lang="en" of="4023a6b6" part="delay"
# Within an hour {{ bands["value"].iloc[0] :.0%}} are satisfied, beyond a day {{ bands["value"].iloc[-1] :.0%}}. A large gap. So if everybody got a reply within the hour, would {{ bands["value"].iloc[0] :.0%}} of everybody be satisfied? Choose one answer to the quiz and press "Answer".

# %% part="exercise"
lesson.quiz("12.4")

# %% [markdown] lang="ja" part="delay" tags=["trainer"]
# **5分。** 表を見せ、クイズの答えを挙手で集めてから、クイズを開きます。aの人には「1時間以内に返信できたのは、どんな用件でしたか」、cの人には「待ち時間がゼロでも同じですか」と聞きましょう。

# %% [markdown] lang="en" of="ea22c498" part="delay" tags=["trainer"]
# **Five minutes.** Show the table, take a vote on the quiz, then open it. Ask those who chose a: what sort of matter was answered within the hour? And those who chose c: would no wait at all make no difference either?

# %% [markdown] lang="ja" part="truth"
# ## 待ち時間だけを変えた世界
#
# 現実では試せませんが、シミュレーションなら、同じ客、同じ用件で**返信の速さだけ**を変えられます。この美容室は、電話と店頭にはすぐ答え、ほかの連絡には営業時間で平均9時間かける設定です。それを`levers`（店の設定）で1時間にしてみます。
#
# `compare`は、元の店（`baseline`）と変えた店（`changed`）を客ごとに比べます。客一人あたりで、`stayed`は最後まで残った割合、`orders`は注文の数、`net_amount`は売上（円）です。

# %% [markdown] lang="en" of="7bec7dba" part="truth"
# ## A world where only the wait differs
#
# In real life this cannot be tried. In a simulation it can: the same customers with the same matters, and **only the speed of reply** is changed. This salon is set to answer at once on the telephone and at the counter, and all else after 9 opening hours on average. With `levers`, its settings, let us make it 1.
#
# `compare` sets the salon as it was (`baseline`) beside the quicker one (`changed`). Per customer, `stayed` is the share still there at the end, `orders` the number of orders, `net_amount` the sales in yen.

# %%
faster = {"first_reply_hours": 1}
quick = crmkit.simulate("salon", customers=4000, levers=faster)
after = crmkit.wait_band(quick.survey_responses, quick.tickets, quick.ticket_events).dropna(subset=["wait_band"])
was, became = crmkit.csat(answers), crmkit.csat(after)
print(was)
print(became)

# %%
worlds = crmkit.compare("salon", faster, customers=4000)
writers = worlds.customers[worlds.customers["tickets_without"] > 0]
effects = worlds.effects.set_index("outcome")
effects.loc[["stayed", "orders", "net_amount"], ["baseline", "changed", "difference", "low", "high"]]

# %% [markdown] lang="ja" part="truth" typed="per hundred, a base"
# 満足は{{ float(was) :.0%}}から{{ float(became) :.0%}}へ。本部の言う{{ bands["value"].iloc[0] :.0%}}に近づきました。この世界では、待ち時間は本当に不満を生んでいたのです。ただ、表だけでは、それは分かりませんでした。
#
# お客さまは戻ってくるでしょうか。店に連絡した{{ len(writers) :,}}人（`writers`）のうち、最後まで残る人は{{ writers["stayed_without"].mean() :.1%}}から{{ writers["stayed_with"].mean() :.1%}}へ。客全体では、100人あたり{{ 100 * effects.loc["stayed", "difference"] :.2f}}人増えただけです。連絡するのは一部の人なので、全体への効果は小さく見えます。

# %% [markdown] lang="en" of="5f047bd1" part="truth"
# Satisfaction goes from {{ float(was) :.0%}} to {{ float(became) :.0%}}. That is most of the way to the {{ bands["value"].iloc[0] :.0%}} of head office: in this world waiting does make people unhappy. But the table alone could not have told us.
#
# Do they come back? Of the {{ len(writers) :,}} customers who got in touch (`writers`), {{ writers["stayed_with"].mean() :.1%}} are still there at the end instead of {{ writers["stayed_without"].mean() :.1%}}. Among all customers that is {{ 100 * effects.loc["stayed", "difference"] :.2f}} more in every hundred: only some ever get in touch, so the effect on the whole shop looks small.

# %% [markdown] lang="ja" part="truth" tags=["trainer"]
# **6分。** 「シミュレーションだから、そうなるように作ったのでは？」という質問は歓迎しましょう。そのとおりです。ここで学ぶのは数字そのものではなく、「表の差」と「変えたときの差」は別物だということです。自分の店では、曜日ごとに担当の数を変えるなど、待ち時間だけが違う状況を探します。

# %% [markdown] lang="en" of="9c321044" part="truth" tags=["trainer"]
# **Six minutes.** Somebody will say: "It is simulated, so you built it that way." Quite right, and welcome. What is learnt here is not the number but that the gap in a table and the effect of a change are two things. Ask the room: where in your own shop do two groups differ in their wait and in nothing else?

# %% [markdown] lang="ja" part="shop" typed="file name is the reader's own"
# ## ご自分のデータでも
#
# ここから下は、ご自分のデータでも動きます。問い合わせシステムから書き出した表をフォルダーに入れ、その名前を次のセルの`MY_FILE`に書いて、このセルから下を実行し直してください。足りない表があれば、どの表かを表示します。文章の中の数は、この美容室のものです。

# %% [markdown] lang="en" of="7044d595" part="shop" typed="file name is the reader's own"
# ## With your own data, if you like
#
# From here on the lesson runs on your own data too. Put the tables exported from your help desk into a folder, write its name into `MY_FILE`, and run the cells from here on again. If a table is missing, a sentence says which. The numbers in the prose stay the salon's.

# %%
MY_FILE = None

shop = crmkit.load(MY_FILE) if MY_FILE else crmkit.sample("salon")
desk = lesson.start(shop)
log, opening = desk.log, desk.opening
desk

# %% [markdown] lang="ja" part="exercise" typed="the name of a statistic, or what a row is; no result"
# ## 問題1
#
# **質問**（`kind="question"`）に担当者が最初に返信するまでの時間について、**営業時間**で測った**90%点**を、分で求めましょう。

# %% [markdown] lang="en" of="1a8da9a9" part="exercise"
# ## Exercise 1
#
# For **questions** (`kind="question"`), find the **90th percentile** of the time until a person's first reply, in **opening hours**. The answer is in minutes.

# %% part="exercise"
answer_1 = ...
# solution
answer_1 = crmkit.first_reply_time(**log, hours="business", **opening, statistic="p90", kind="question")

# %%
lesson.check("12.1", answer_1)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **6分（次の「経路ごと」も含みます）。** 抜けやすいのは`**opening`と`statistic`です。問題文の太字三つを一つずつ指さし、「コードのどこに書きましたか」と聞きましょう。

# %% [markdown] lang="en" of="ca9cbc82" part="exercise" tags=["trainer"]
# **Six minutes, with the channels.** Most forget `**opening` or `statistic`. Point at the three things in bold one by one and ask where in their code each of them is.

# %% [markdown] lang="ja" part="channels"
# ## 経路ごとに見る
#
# 電話は数分、メールは何時間も。{{ term:contact_channel }}が違えば、期待される速さも違います。全部を混ぜた1つの数は、電話の割合が増えるだけで良くなります。次の表の`value`は、中央値（分、営業時間）です。

# %% [markdown] lang="en" of="d00ed0eb" part="channels"
# ## Channel by channel
#
# Minutes by telephone, hours by email. Each {{ term:contact_channel }} has its own expected speed. One figure over all of them improves as soon as more people telephone, though nobody works any faster. `value` is the median in minutes of opening time.

# %%
by_channel = crmkit.first_reply_time(**log, hours="business", **opening, by="channel")
by_channel[["channel", "value", "low", "high", "n"]]

# %% [markdown] lang="ja" part="guideline"
# ## 約束を決め、守れたかを数える
#
# {{ define:service_guideline }}
#
# この店の約束（SLA）は`desk.sla_policies`にあります。次のセルでは、そのうち質問への最初の返信（`first_reply`）についての約束を見ます。`target_minutes`は目標の分数で、`in_business_hours`がTrueなら営業時間だけを数えます。

# %% [markdown] lang="en" of="f2dff321" part="guideline"
# ## Promise, then count
#
# {{ define:service_guideline }}
#
# The salon's promises, its service level agreement (SLA), are in `desk.sla_policies`. The next cell shows those about the first reply to a question. `target_minutes` is the target; it runs in opening hours where `in_business_hours` is True.

# %%
promises = desk.sla_policies
to_questions = (promises["metric"] == "first_reply") & (promises["ticket_kind"] == "question")
promises[to_questions].filter(["priority", "target_minutes", "in_business_hours"])

# %% [markdown] lang="ja" part="exercise"
# ## 問題2
#
# 質問だけでなく全部の件について、**最初の返信の約束を守れた割合**（SLA達成率）を求めましょう。使う関数は`crmkit.sla_attainment_rate`です。対応の記録、約束の表（`sla_policies=…`）、営業時間の三つを渡します。時計は約束の表に書いてあるので、`hours`は要りません。

# %% [markdown] lang="en" of="2c450cc5" part="exercise"
# ## Exercise 2
#
# Over all tickets, find the share of **first-reply promises that were kept** (SLA attainment). The function is `crmkit.sla_attainment_rate`; it takes the log, the promises (`sla_policies=…`) and the opening hours. The promises name the clock, so there is no `hours` to give.

# %% part="exercise"
answer_2 = ...
# solution
answer_2 = crmkit.sla_attainment_rate(**log, sla_policies=desk.sla_policies, **opening)

# %%
lesson.check("12.2", answer_2)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"]
# **5分（約束の表も含みます）。** `hours="business"`を足してエラーになる人には、「時計はどの表に書いてありますか」と聞いてください。先ほど絞った質問だけの表を渡す人もいます。

# %% [markdown] lang="en" of="96d1ca20" part="exercise" tags=["trainer"]
# **Five minutes, with the table of promises.** Some add `hours="business"` and get an error: ask them which table names the clock. Others pass on the few promises just looked at, those about questions.

# %% [markdown] lang="ja" part="trap" typed="the trap's rule, no result"
# ## 落とし穴：閉じれば速くなる
#
# 本部が「返信時間とSLA達成率で評価する」と言い出しました。ある担当者が、こんな決まりを考えます。**1時間たっても返信できない件は、返信せずに「解決済み」にする。** 数字はどうなるでしょう。予想してから実行してください。

# %% [markdown] lang="en" of="6897fff6" part="trap" typed="the trap's rule, no result"
# ## A trap: closing is faster than answering
#
# Head office announces that desks will be judged by reply time and SLA attainment. Somebody invents a rule: **whatever has no reply after an hour is marked "solved", without one.** What happens to the figures? Predict, then run the cell.

# %%
closed = lesson.close_unanswered(log)
before, now = crmkit.first_reply_time(**log), crmkit.first_reply_time(**closed)
print(before)
print(now)

# %%
kept_before = crmkit.sla_attainment_rate(**log, sla_policies=promises, **opening)
kept_now = crmkit.sla_attainment_rate(**closed, sla_policies=promises, **opening)
kept = {lesson.word("without_rule"): kept_before, lesson.word("with_rule"): kept_now}
lesson.show(plot_sla_attainment_rate(kept), lesson.say_kept(kept))

# %% [markdown] lang="ja" part="trap"
# 中央値は{{ float(before) :.0f}}分から{{ float(now) :.0f}}分へ、達成率は{{ float(kept_before) :.0%}}から{{ float(kept_now) :.0%}}へ。けれど、{{ now.besides["unanswered"] }}件には誰も答えていません。返信時間は**返信があった件だけ**で計算され、達成率は期限内に解決済みになった件を「守った」と数えるからです。
#
# どちらも`besides`で見破れます。`unanswered`は返信のない件、`met_unreplied`は、返信しないまま「守った」とされた件です。

# %% [markdown] lang="en" of="9c56a010" part="trap"
# The median falls from {{ float(before) :.0f}} to {{ float(now) :.0f}} minutes, attainment rises from {{ float(kept_before) :.0%}} to {{ float(kept_now) :.0%}}. Yet {{ now.besides["unanswered"] }} customers were never answered. A reply time is computed from **answered tickets only**, and attainment takes a ticket solved in time for a promise kept.
#
# `besides` gives both away: `unanswered` are those without a reply, `met_unreplied` the promises "kept" without one.

# %%
print(now.besides["unanswered"], kept_now.besides["met_unreplied"])

# %% [markdown] lang="ja" part="exercise" typed="the question's own limit"
# ## 問題3
#
# 決まりを入れたあと（`closed`）で、連絡してから**24時間以内（暦どおり）に担当者の返信をもらえた**お客さまの割合を求めましょう。もらえなかった人も分母に入れます。
#
# 次の`times`は1件が1行（担当者から始めた件は除く）。`first_reply_minutes`は担当者の返信までの分（`NaN`は返信なし）、`ack_minutes`は自動も含む最初の返信までの分です。割合は条件の`mean()`です。`(times["ack_minutes"] <= 1).mean()`は、1分以内に何か返信があった割合です。

# %% [markdown] lang="en" of="0f5c1dd0" part="exercise" typed="the question's own limit"
# ## Exercise 3
#
# With the rule in place (`closed`), find the share of tickets that **got a person's reply within 24 hours** (on the calendar), out of all tickets: those that never got one count as well.
#
# `times` in the next cell has one row for each ticket that a customer opened. `first_reply_minutes` is the wait for a person's reply (`NaN`: there was none), `ack_minutes` that for any reply, even automatic. The `mean()` of a condition is a share: `(times["ack_minutes"] <= 1).mean()` is the share with any reply within a minute.

# %%
times = crmkit.ticket_times(**closed)
times = times[times["created_by"] != "agent"]
times[["ticket_id", "created_at", "ack_minutes", "first_reply_minutes"]].head(8)

# %% part="exercise"
answer_3 = ...
# solution
answer_3 = (times["first_reply_minutes"] <= 24 * 60).mean()

# %%
lesson.check("12.3", answer_3)

# %% [markdown] lang="ja" part="exercise" tags=["trainer"] typed="the name of a statistic, or what a row is; no result"
# **8分（落とし穴も含みます）。** いちばん多い間違いは`dropna()`です。100%になったら「返信をもらえなかった人は、どこへ行きましたか」とだけ聞きます。手が止まった人には`times["first_reply_minutes"].isna().sum()`を実行してもらいましょう。早く終わった人には「この決まりを見抜ける指標を一つ足すなら？」と聞きます（未応答の件数、再連絡の率など）。

# %% [markdown] lang="en" of="bfff8c22" part="exercise" tags=["trainer"]
# **Eight minutes, with the trap.** The usual slip is `dropna()`. If someone gets everybody answered, ask only: "Where have those without a reply gone?" Whoever is stuck runs `times["first_reply_minutes"].isna().sum()`. For the quick ones: "Which one figure would you add to the report so that this rule is found out?" (Unanswered tickets; customers who write again.)

# %% [markdown] lang="ja" part="takeaway" typed="the name of a statistic, or what a row is; no result"
# ## まとめ
#
# - 返信時間を聞いたら「統計量は？」「時計は？」「何を返信とみなした？」
# - 待ち時間は、一部だけがとても長くなります。平均より、中央値と90%点を並べましょう
# - 返信のない件は、必ず件数を添えます
# - 表の差だけでは、効果とは言えません。似た用件どうしで比べるか、待ち時間だけを変えてみます

# %% [markdown] lang="en" of="621d9f10" part="takeaway"
# ## To take away
#
# - Hear a reply time, ask: which statistic, which clock, what counts as a reply?
# - A few waits are very long: show median and 90th percentile side by side rather than the mean
# - Never show a reply time without the number of tickets that had none
# - The gap in a table proves no effect: compare like with like, or change only the wait

# %% [markdown] lang="ja" part="takeaway" tags=["trainer"]
# **1分。** 最初に黒板に書いた「うちの返信時間」に、統計量・時計・何を返信とみなすかを書き足してもらいます。

# %% [markdown] lang="en" of="9b092f6d" part="takeaway" tags=["trainer"]
# **One minute.** Back to the reply times on the board: everybody adds the statistic, the clock and what counted as a reply.

# %% [markdown] lang="ja" part="own_data"
# ## ご自分のデータで
#
# 要るのは、`tickets`の番号（`ticket_id`）と受付日時（`created_at`）、`ticket_events`の日時（`occurred_at`）、誰が（`actor_type`）、何を（`kind`）、お客さまに見えるか（`is_public`）です。営業時間の表があれば両方の時計で、約束の表があれば達成率も測れます。`lesson.reply_times(shop)`と書けば、上の図をご自分のデータで動かせます。まず**自動返信が担当者の名前で記録されていないか**を確かめましょう。

# %% [markdown] lang="en" of="cd7dfa2a" part="own_data"
# ## With your own data
#
# The tickets need an id (`ticket_id`) and the time they came (`created_at`); the log needs when (`occurred_at`), who (`actor_type`), what (`kind`), and whether the customer could see it (`is_public`). With opening hours you can use both clocks, with promises work out attainment. `lesson.reply_times(shop)` shows the widget on your data. First check one thing: **are automatic replies logged under the name of a person?**
