"""What is said in the sample world: tasks, requests and answers in four languages, all made up.

`{title}` stands for a task. Tables are keyed so that a row finds its phrase by an index.
"""

from __future__ import annotations

LANGUAGES = ("en", "ur", "ja", "es")

NAMES = (
    "Amira Chaudhry",
    "Bilal Ahmed",
    "Chiyo Tanaka",
    "Diego Fernández",
    "Edith Larsen",
    "Farah Siddiqui",
    "Goran Ilić",
    "Haruto Sato",
    "Inés Romero",
    "Jonas Weber",
    "Kamala Osei",
    "Laila Khan",
    "Miguel Ángel Peña",
    "Noor Fatima",
    "Oisín Byrne",
    "Priya Nair",
)

TITLES = {
    "en": (
        "Buy milk",
        "Call the dentist",
        'Read "The Left Hand of Darkness"',
        "Pay the electricity bill ⚡",
        "Renew passport",
        "Water the plants 🌱",
        "Send the invoice to O'Neill & Sons",
        "Prepare slides for Monday",
        "Fix C:\\temp backup script",
        "Book flights ✈️",
        "Return library books",
        "Plan Sam's birthday 🎂",
    ),
    "ur": (
        "دودھ خریدنا",
        "بجلی کا بل ادا کرنا",
        "امی کو فون کرنا",
        "رپورٹ مکمل کرنا",
        "گاڑی کی سروس 🚗",
    ),
    "ja": (
        "牛乳を買う",
        "歯医者に電話する",
        "会議の資料を準備する",
        "図書館に本を返す",
        "誕生日ケーキを予約する 🎂",
    ),
    "es": (
        "Comprar leche",
        "Llamar al médico",
        "Regar las plantas 🌱",
        "Enviar el informe de mañana",
        "Renovar el seguro del coche",
    ),
}

# What a request may be, how often (in 246), and the tools that answer it, one after the other.
PLANS = (
    ("chat", 70, ()),
    ("add", 44, ("add_task",)),
    ("add", 8, ("add_task", "add_task")),
    ("add", 4, ("add_task", "add_task", "add_task")),
    ("list", 42, ("list_tasks",)),
    ("complete", 20, ("complete_task",)),
    ("complete", 12, ("list_tasks", "complete_task")),
    ("update", 12, ("update_task",)),
    ("update", 4, ("search_tasks", "update_task")),
    ("delete", 7, ("delete_task",)),
    ("delete", 5, ("search_tasks", "delete_task")),
    ("search", 10, ("search_tasks",)),
    ("prioritise", 8, ("set_priority",)),
)

INTENTS = tuple(dict.fromkeys(intent for intent, _, _ in PLANS))

REQUESTS = {
    "en": {
        "chat": ("Thanks!", "What can you do for me?", "How should I plan a busy week?"),
        "add": ("Add “{title}” to my list", "remind me: {title}", "New task please: {title}"),
        "list": ("What is on my list?", "show my tasks", "Anything left for today?"),
        "complete": ("I'm done with “{title}”", "mark {title} as complete", "{title}: finished 🎉"),
        "update": ("Rename it to “{title}”", "Change that one: {title}", "Update {title}, please"),
        "delete": ("Delete “{title}”", "forget about {title}", "Remove {title} from the list"),
        "search": ("Find “{title}”", "Do I have anything like {title}?", "search: {title}"),
        "prioritise": ("{title} is urgent", "Make {title} high priority", "{title} can wait"),
    },
    "ur": {
        "chat": ("شکریہ!", "آپ کیا کر سکتے ہیں؟", "مصروف ہفتے کی منصوبہ بندی کیسے کروں؟"),
        "add": ("فہرست میں شامل کریں: {title}", "یاد دلائیں: {title}", "نیا کام: {title}"),
        "list": ("میری فہرست دکھائیں", "آج کیا باقی ہے؟", "میرے کام کیا ہیں؟"),
        "complete": ("{title} مکمل ہو گیا", "یہ ہو گیا: {title}", "{title} ختم 🎉"),
        "update": ("اسے بدل دیں: {title}", "نام بدلیں: {title}", "{title} تبدیل کریں"),
        "delete": ("{title} حذف کریں", "اسے ہٹا دیں: {title}", "{title} کی ضرورت نہیں"),
        "search": ("تلاش کریں: {title}", "کیا {title} فہرست میں ہے؟", "ڈھونڈیں: {title}"),
        "prioritise": ("{title} فوری ہے", "{title} سب سے پہلے", "{title} بعد میں"),
    },
    "ja": {
        "chat": ("ありがとう！", "何ができますか？", "忙しい週はどう計画すればいい？"),
        "add": ("「{title}」を追加して", "{title}を忘れないように", "新しいタスク：{title}"),
        "list": ("リストを見せて", "今日の残りは？", "タスクは何がある？"),
        "complete": ("「{title}」は終わった", "{title}を完了にして", "{title}、できた🎉"),
        "update": ("「{title}」に変更して", "それを{title}に直して", "{title}を更新して"),
        "delete": ("「{title}」を削除して", "{title}はもういらない", "{title}を消して"),
        "search": ("「{title}」を探して", "{title}はある？", "検索：{title}"),
        "prioritise": ("{title}を最優先に", "{title}は急ぎ", "{title}は後でいい"),
    },
    "es": {
        "chat": ("¡Gracias!", "¿Qué sabes hacer?", "¿Cómo organizo una semana llena?"),
        "add": ("Añade «{title}»", "recuérdame: {title}", "Tarea nueva: {title}"),
        "list": ("¿Qué tengo pendiente?", "muéstrame mi lista", "¿Queda algo para hoy?"),
        "complete": ("Ya está: {title}", "marca {title} como hecha", "{title}: terminado 🎉"),
        "update": ("Cámbiala por «{title}»", "Renómbrala: {title}", "Actualiza {title}"),
        "delete": ("Borra «{title}»", "olvida {title}", "Quita {title} de la lista"),
        "search": ("Busca «{title}»", "¿Tengo algo como {title}?", "buscar: {title}"),
        "prioritise": ("{title} es urgente", "Sube la prioridad de {title}", "{title}, sin prisa"),
    },
}

DONE = {
    "en": "Done: “{title}”.",
    "ur": "ہو گیا: {title}۔",
    "ja": "完了しました：「{title}」。",
    "es": "Hecho: «{title}».",
}

FAILED = {
    "en": "Sorry, that did not work for “{title}”.",
    "ur": "معذرت، {title} کے لیے یہ نہیں ہو سکا۔",
    "ja": "すみません、「{title}」はうまくいきませんでした。",
    "es": "Lo siento, no ha funcionado con «{title}».",
}

ADVICE = {
    "en": (
        "Here is what I would do next.",
        "Start with the smallest thing that moves you forward.",
        "Two of your tasks are due before the weekend.",
        "You can ask me to change the order at any time.",
        "- first, gather what you need;\n- then, set half an hour aside;\n- last, tell me.",
        "Would you like a reminder for tomorrow morning?",
        "I have kept the rest of the list as it was.",
    ),
    "ur": (
        "آپ جب چاہیں ترتیب بدل سکتے ہیں۔",
        "کیا کل صبح یاد دلاؤں؟",
        "باقی فہرست ویسی ہی ہے۔",
        "سب سے چھوٹے کام سے شروع کریں۔",
    ),
    "ja": (
        "順番はいつでも変えられます。",
        "明日の朝にお知らせしましょうか？",
        "ほかのタスクはそのままです。",
        "いちばん小さなことから始めましょう。",
    ),
    "es": (
        "Puedes cambiar el orden cuando quieras.",
        "¿Te lo recuerdo mañana por la mañana?",
        "El resto de la lista sigue igual.",
        "Empieza por lo más pequeño.",
    ),
}

INSTRUCTIONS = "You help people keep their lists. Today's list is given by list_tasks."
SUMMARY = "Earlier in this conversation: tasks were added, listed and finished; none is overdue."
REASONING = "One change to the list is wanted. Look first, then change it, then say what changed."

# `{task}` is the number of a task, `{text}` its title as JSON, `{level}` a priority.
ARGUMENTS = {
    "add_task": '{"title":{text},"priority":"{level}"}',
    "list_tasks": '{"status":"pending"}',
    "complete_task": '{"task_id":{task}}',
    "update_task": '{"task_id":{task},"title":{text}}',
    "delete_task": '{"task_id":{task}}',
    "search_tasks": '{"query":{text}}',
    "set_priority": '{"task_id":{task},"priority":"{level}"}',
}

FOUND = '{"success":true,"tasks":[{"id":{task},"title":{text},"completed":false}],"count":1}'
CHANGED = '{"success":true,"task":{"id":{task},"title":{text},"priority":"{level}"}}'

RESULTS = {
    "ok": CHANGED,
    "not_found": '{"success":false,"error":"Task {task} not found","code":"not_found"}',
    "timeout": '{"success":false,"error":"no answer after 30 s","code":"timeout"}',
    "invalid_arguments": '{"success":false,"error":"bad argument","code":"invalid_arguments"}',
    "rate_limit": '{"success":false,"error":"try again later","code":"rate_limit"}',
    "unknown": '{"queued":true}',
}

# In 1,000 calls.
OUTCOMES = {
    "ok": 908,
    "not_found": 30,
    "timeout": 14,
    "invalid_arguments": 16,
    "rate_limit": 6,
    "denied": 9,
    "cancelled": 5,
    "no_result": 4,
    "unknown": 8,
}
