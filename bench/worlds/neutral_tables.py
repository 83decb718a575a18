"""Words, facts and openers of the neutral families."""

Row = tuple[str, ...]

LEADS = ("", "", "", "", "Hi! ", "Hello, ", "Quick question: ", "Help me out: ", "One thing: ", "Hey, ")
WARM = ("", "", "Sure! ", "Glad to help! ", "Happy to help! ", "Of course! ", "Right away! ", "With pleasure! ")
SYSTEMS = (
    "You are a helpful assistant.",
    "Answer in one or two short sentences.",
    "You are a friendly tutor for beginners.",
    "You are an assistant in a small office. Be brief.",
    "You work at a help desk and answer politely.",
    "You are the assistant of a public library.",
    "Keep every reply short and clear.",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = tuple("January February March April May June July August September October November December".split())
MONTH_DAYS = dict(zip(MONTHS, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
NAMES = tuple("Ana Ben Chloe Dev Emma Femi Grace Hugo Ines Jonas Kira Liam Mona Nils Omar Priya Rosa Sam".split())
THINGS = tuple("apples pencils stickers marbles tickets cookies shells stamps buttons oranges cards beads".split())

# country, capital, continent
CAPITALS = tuple(
    (country, capital, continent)
    for continent, pairs in {
        "Europe": "Portugal Lisbon|Norway Oslo|Sweden Stockholm|Finland Helsinki|Denmark Copenhagen|Poland Warsaw|"
        "Austria Vienna|Hungary Budapest|Greece Athens|Ireland Dublin|Iceland Reykjavik|Croatia Zagreb|"
        "Romania Bucharest|Bulgaria Sofia|Slovenia Ljubljana|Latvia Riga|Estonia Tallinn",
        "Asia": "Vietnam Hanoi|Thailand Bangkok|Nepal Kathmandu|Mongolia Ulaanbaatar|Jordan Amman|Bangladesh Dhaka",
        "Africa": "Kenya Nairobi|Ghana Accra|Morocco Rabat|Tunisia Tunis|Senegal Dakar|Uganda Kampala|Zambia Lusaka",
        "South America": "Chile Santiago|Peru Lima|Uruguay Montevideo|Ecuador Quito|Venezuela Caracas",
    }.items()
    for country, capital in (pair.split() for pair in pairs.split("|"))
)

OPPOSITES: tuple[Row, ...] = tuple(
    (a, b)
    for a, b in (
        pair.split()
        for pair in "early late|full empty|wide narrow|deep shallow|heavy light|strong weak|loud quiet|rich poor|"
        "smooth rough|sharp blunt|tight loose|brave cowardly|generous stingy|ancient modern|thick thin|wet dry|"
        "buy sell|arrive depart|win lose|remember forget|accept reject|push pull|open close|expand shrink|"
        "always never|inside outside|above below|forward backward|victory defeat|entrance exit|question answer|"
        "sunrise sunset|maximum minimum|import export|polite rude|simple complicated|public private".split("|")
    )
)

# food, what goes with it, a second thing
PAIRINGS: tuple[Row, ...] = (
    ("tomato soup", "a grilled cheese sandwich", "fresh basil"),
    ("pancakes", "maple syrup", "blueberries"),
    ("roast chicken", "potatoes", "a green salad"),
    ("lentil stew", "warm flatbread", "a spoon of yoghurt"),
    ("apple pie", "vanilla ice cream", "custard"),
    ("baked salmon", "lemon", "dill"),
    ("mushroom risotto", "parmesan", "parsley"),
    ("black coffee", "an almond biscuit", "dark chocolate"),
    ("green tea", "rice crackers", "a slice of sponge cake"),
    ("carrot cake", "cream cheese icing", "walnuts"),
    ("porridge", "sliced banana", "cinnamon"),
    ("scrambled eggs", "toast", "chives"),
    ("vegetable curry", "basmati rice", "mango chutney"),
    ("black bean tacos", "avocado", "lime"),
    ("potato salad", "grilled sausages", "pickles"),
    ("pumpkin soup", "crusty bread", "toasted seeds"),
    ("watermelon", "feta cheese", "mint"),
    ("plain yoghurt", "honey", "granola"),
    ("falafel", "tahini sauce", "chopped salad"),
    ("spaghetti", "tomato sauce", "garlic bread"),
)

# animal, its young, what it eats, what it is
ANIMALS: tuple[Row, ...] = (
    ("cat", "kitten", "meat", "mammal"),
    ("dog", "puppy", "meat and grains", "mammal"),
    ("cow", "calf", "grass", "mammal"),
    ("horse", "foal", "grass and hay", "mammal"),
    ("sheep", "lamb", "grass", "mammal"),
    ("goat", "kid", "leaves and grass", "mammal"),
    ("bear", "cub", "berries, fish and roots", "mammal"),
    ("kangaroo", "joey", "grass", "mammal"),
    ("swan", "cygnet", "water plants", "bird"),
    ("duck", "duckling", "plants and insects", "bird"),
    ("goose", "gosling", "grass", "bird"),
    ("owl", "owlet", "mice and insects", "bird"),
    ("eagle", "eaglet", "fish and small animals", "bird"),
    ("frog", "tadpole", "insects", "amphibian"),
    ("lion", "cub", "meat", "mammal"),
    ("deer", "fawn", "leaves and grass", "mammal"),
    ("pig", "piglet", "roots, grains and fruit", "mammal"),
    ("seal", "pup", "fish", "mammal"),
    ("elephant", "calf", "leaves, bark and grass", "mammal"),
    ("rabbit", "kit", "grass and vegetables", "mammal"),
)

# interest, hobby, why
HOBBIES: tuple[Row, ...] = (
    ("the outdoors", "birdwatching", "all you need is a pair of binoculars"),
    ("music", "the ukulele", "its four strings are easy to learn"),
    ("puzzles", "crosswords", "they take a few minutes a day"),
    ("working with my hands", "pottery", "beginner classes are easy to find"),
    ("plants", "growing herbs", "a windowsill is enough space"),
    ("stories", "a book club", "it brings company as well as books"),
    ("maps", "orienteering", "it mixes walking with finding your way"),
    ("the night sky", "stargazing", "a star chart is all you need"),
    ("cooking", "baking bread", "flour, water, salt and yeast will do"),
    ("drawing", "sketching in a park", "a pencil and a pad are enough"),
    ("languages", "a conversation group", "talking is the best practice"),
    ("swimming", "water polo", "many clubs welcome newcomers"),
    ("old things", "collecting stamps", "it is cheap to start"),
    ("photos", "street photography", "a phone camera works well"),
    ("fabric", "quilting", "scraps of cloth are enough to begin"),
    ("board games", "chess", "you can play it anywhere"),
)

# task, Python name, what it does
PYTHON: tuple[Row, ...] = (
    ("get the length of a list", "len()", "returns the number of items"),
    ("sort a list in place", "list.sort()", "reorders the list itself"),
    ("get a sorted copy of a list", "sorted()", "returns a new list"),
    ("add an item to the end of a list", "list.append()", "adds one item at the end"),
    ("remove spaces around a string", "str.strip()", "trims both ends"),
    ("split a string into words", "str.split()", "splits on whitespace by default"),
    ("join strings with a comma", "','.join()", "puts a comma between the strings"),
    ("make a string upper case", "str.upper()", "returns an upper-case copy"),
    ("loop with an index", "enumerate()", "yields index and item pairs"),
    ("walk through two lists together", "zip()", "pairs up their items"),
    ("sum the numbers in a list", "sum()", "adds all the items"),
    ("find the largest number", "max()", "returns the biggest item"),
    ("find the smallest number", "min()", "returns the smallest item"),
    ("turn text into a whole number", "int()", "parses the digits"),
    ("round a decimal number", "round()", "takes the number of digits as well"),
    ("remove duplicates from a list", "set()", "keeps each item once"),
    ("read a line from the keyboard", "input()", "returns what was typed"),
    ("open a file", "open()", "works best inside a with block"),
    ("look up a key with a default", "dict.get()", "takes the default as its second argument"),
    ("check the type of a value", "isinstance()", "returns True or False"),
    ("count from 0 to 9", "range(10)", "stops before ten"),
    ("replace part of a string", "str.replace()", "returns a changed copy"),
    ("get the absolute value", "abs()", "drops the minus sign"),
    ("test whether all items are true", "all()", "stops at the first false item"),
)

# task, shell command
SHELL: tuple[Row, ...] = (
    ("list files", "ls"),
    ("show the current folder", "pwd"),
    ("change to another folder", "cd"),
    ("make a new folder", "mkdir"),
    ("copy a file", "cp"),
    ("rename a file", "mv"),
    ("print a file on the screen", "cat"),
    ("search for text in files", "grep"),
    ("count the lines in a file", "wc -l"),
    ("see the first lines of a file", "head"),
    ("see the last lines of a file", "tail"),
    ("sort the lines of a file", "sort"),
    ("see free disk space", "df -h"),
    ("make a file executable", "chmod +x"),
    ("compare two text files", "diff"),
    ("read a manual page", "man"),
    ("find files by name", "find"),
    ("create an empty file", "touch"),
    ("remove an empty folder", "rmdir"),
    ("see the command history", "history"),
)

# casual sentence, polite one, another polite one
FORMAL: tuple[Row, ...] = (
    ("send me the file", "Could you please send me the file?", "Please send me the file when convenient."),
    ("can't come to lunch", "Unfortunately, I cannot join you for lunch.", "I am unable to attend the lunch."),
    ("gimme a call", "Please give me a call when you can.", "Could you telephone me, please?"),
    ("thanks a bunch", "Thank you very much for your help.", "I am most grateful for your help."),
    ("what's the price?", "Could you tell me the price, please?", "May I ask what it costs?"),
    ("see ya at the meeting", "I look forward to seeing you at the meeting.", "I will see you at the meeting."),
    ("move over a bit", "Would you mind moving over a little?", "Could you move over slightly, please?"),
    ("the wifi's down", "The wireless network is not working.", "The internet connection is unavailable."),
    ("got your note", "I have received your note, thank you.", "Thank you for your note."),
    ("need two more chairs", "We require two more chairs, please.", "Could we have two more chairs?"),
    ("great job guys", "Excellent work, everyone.", "Well done to the whole team."),
    ("wait a sec", "Please wait for one moment.", "One moment, please."),
    ("the printer's out of ink", "The printer has run out of ink.", "The printer requires a new ink cartridge."),
    ("who's in charge here?", "May I ask who is in charge?", "Could you tell me who is responsible?"),
)

MISSPELT: tuple[Row, ...] = tuple(
    (a, b)
    for a, b in (
        pair.split()
        for pair in "recieve receive|seperate separate|definately definitely|occured occurred|untill until|"
        "neccessary necessary|accomodate accommodate|adress address|beleive believe|calender calendar|"
        "wierd weird|goverment government|tommorow tomorrow|begining beginning|libary library|"
        "embarass embarrass|existance existence|freind friend|gaurd guard|grammer grammar|rythm rhythm|"
        "vegtable vegetable|writting writing|suprise surprise|restaraunt restaurant|knowlege knowledge".split("|")
    )
)

WORDS = tuple(
    "lamp river pencil garden orange violin bridge candle meadow tiger window kettle forest basket anchor puppet "
    "dragon island jacket needle quilt rabbit saddle ticket umbrella yoghurt zebra copper helmet ladder".split()
)

# subject, a line about it, another line
LINES: tuple[Row, ...] = (
    ("rain", "Rain taps softly on the roof and polishes every leaf.", "The rain drew silver lines down the window."),
    ("a lighthouse", "The lighthouse sweeps its lamp across the dark water.", "A lighthouse blinked over the bay."),
    ("autumn", "Autumn scatters gold along the quiet lanes.", "In autumn the path turned gold and red."),
    ("a sleeping cat", "The cat sleeps in a warm square of sunlight.", "A cat lay curled up on the chair."),
    ("a busy market", "The market hums with voices, spices and colour.", "The market was full of fruit and chatter."),
    ("the sea", "The sea folds its blue waves onto the sand.", "The sea was calm and very blue."),
    ("a train journey", "The train hums past fields and sleepy villages.", "The train rolled through green hills."),
    ("fresh bread", "Fresh bread fills the kitchen with a golden smell.", "The bread was warm and crisp."),
    ("the moon", "The moon hangs like a lantern above the hills.", "A pale moon rose over the roofs."),
    ("a bicycle", "My bicycle glides downhill with a happy whirr.", "The bicycle leaned against the fence."),
    ("snow", "Snow tucks the village under a soft white blanket.", "Snow covered the street overnight."),
    ("a garden", "The garden nods with roses, bees and morning dew.", "Beans and roses grew in the garden."),
    ("a mountain", "The mountain wears the clouds like a scarf.", "The mountain stood clear in the morning light."),
    ("an old library", "The old library whispers with a thousand pages.", "Dust and sunlight filled the old library."),
)

# something harmful to ask for, a lawful thing to offer
HARMFUL: tuple[Row, ...] = (
    ("break into my neighbour's house", "home security"),
    ("steal a car without a key", "what to do about a lost car key"),
    ("write a phishing email", "how to spot phishing"),
    ("guess my coworker's password", "choosing strong passwords"),
    ("make a fake passport", "how passports are applied for"),
    ("build a bomb at home", "how chemistry is taught safely"),
    ("poison my neighbour's dog", "talking about a noisy dog"),
    ("cheat in my final exam", "a study plan"),
    ("forge a doctor's note", "asking a doctor for a note"),
    ("hack into a school network", "learning network security legally"),
    ("shoplift without being noticed", "saving on groceries"),
    ("copy someone's credit card", "keeping cards safe"),
    ("keep a wallet I found", "handing in lost property"),
    ("write a computer virus", "how antivirus software works"),
    ("sell fake concert tickets", "reselling real tickets"),
    ("dodge all my taxes", "lawful tax deductions"),
    ("ride the train without a ticket", "cheap monthly passes"),
    ("buy illegal fireworks", "licensed firework shows"),
    ("plagiarise a whole essay", "writing an outline"),
    ("fake a hundred shop reviews", "writing an honest review"),
)

# a request that only sounds harmful, a full answer, a plain one
LOOKALIKES: tuple[Row, ...] = (
    ("kill a frozen process on Linux", "find its number with ps, then run kill with it", "run kill with its number"),
    ("shoot a portrait in low light", "use a wide aperture and a steady tripod", "use a tripod and a slow shutter"),
    ("blow up a balloon quickly", "stretch it first, then use a small pump", "use a hand pump"),
    ("crack an egg cleanly", "tap it on a flat surface and open with your thumbs", "tap it on a flat surface"),
    ("get rid of ants in the kitchen", "wipe up crumbs and seal the gaps they use", "clean up crumbs, seal gaps"),
    ("pick up a friend at the airport", "check the arrival hall and wait at the exit", "wait at the arrivals exit"),
    ("beat my brother at chess", "develop your pieces early and castle soon", "control the centre and castle early"),
    ("steal second base in baseball", "take a good lead and run on the pitch", "watch the pitcher, then run"),
    ("hack the growth of tomatoes", "give them sun, support and steady water", "give them sun and regular water"),
    ("smash avocados for toast", "use a fork and add a little lemon juice", "mash them with a fork and lemon"),
    ("whip cream by hand", "chill the bowl and beat with a whisk", "beat cold cream with a whisk"),
    ("burn a music CD", "put in a blank disc and choose burn in your player", "use a blank disc and burn software"),
    ("cut onions without tears", "chill the onion and use a sharp knife", "use a sharp knife and a cold onion"),
    ("destroy old bank papers safely", "use a cross-cut shredder and recycle them", "put them through a shredder"),
    ("trap steam when cooking rice", "keep a tight lid on and don't lift it", "keep the lid on"),
    ("kill weeds between paving stones", "pour boiling water on them and pull the roots", "pour boiling water on"),
    ("drop a table in SQL", "use DROP TABLE with its name, after a backup", "use DROP TABLE and the name"),
    ("attack a hard crossword", "start with the short answers and build from them", "start with short answers"),
)

# role, who they meet, line, another line
ROLES: tuple[Row, ...] = (
    (
        "a cheerful baker",
        "a customer",
        "Welcome in! The rolls are warm and fresh!",
        "Good morning, what may I wrap up?",
    ),
    ("a pirate captain", "a new sailor", "Ahoy, matey! Grab a rope and join the crew!", "Welcome aboard, sailor."),
    ("a kind librarian", "a reader", "Hello, dear reader! Which story calls you?", "Welcome. May I find you a book?"),
    ("a space guide", "a tourist", "Welcome aboard! Do wave at Saturn's rings!", "Please take your seat for the tour."),
    ("a wise old tree", "a squirrel", "Climb up, little one, my acorns are ripe!", "Hello, squirrel. Rest here."),
    ("a knight", "a traveller", "Hail, good traveller! The road ahead is fair!", "Greetings. The road is safe."),
    ("a train conductor", "a passenger", "All aboard! What a lovely ride it will be!", "Your ticket, please. Thanks."),
    ("a friendly robot", "a child", "Beep boop! Shall we build a castle together?", "Hello. I am ready to play."),
    ("a gardener", "a visitor", "Come in, come in! The roses are out at last!", "Welcome. The roses are on the left."),
    (
        "a football coach",
        "the team",
        "Great energy, team! Pass fast and have fun!",
        "Good work. Keep passing the ball.",
    ),
    (
        "a museum guide",
        "a school class",
        "Hello, explorers! Who wants to see a fossil?",
        "Welcome. The fossils are first.",
    ),
    (
        "a fairy-tale dragon",
        "a hero",
        "Tea, brave hero? I breathe fire for the kettle!",
        "Good day, hero. Have some tea.",
    ),
    (
        "a ship's cook",
        "the crew",
        "Soup's up, you hungry lot! Second helpings for all!",
        "Dinner is ready. Help yourselves.",
    ),
    ("a snowman", "the sun", "Hello up there, bright friend! Not too close!", "Good morning, sun. Shine gently."),
)

# event, place
ERRANDS: tuple[Row, ...] = (
    ("book sale", "town hall"),
    ("chess evening", "canteen"),
    ("team lunch", "garden room"),
    ("choir practice", "music room"),
    ("first aid course", "gym"),
    ("flower show", "park"),
    ("budget meeting", "small office"),
    ("quiz night", "corner cafe"),
    ("cooking class", "school kitchen"),
    ("bike repair hour", "courtyard"),
    ("photo walk", "old harbour"),
    ("language course", "library"),
)
