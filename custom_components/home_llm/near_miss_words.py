"""Words of the five languages that name no particular device: nouns of whole domains, and all that is grammar.

Free of Home Assistant.
"""

from __future__ import annotations

from .wording import words


def _set(text: str) -> frozenset[str]:
    return frozenset(words(text))


# What anything may be called.
_THING = _set(
    "machine maker device appliance unit maschine gerät máquina aparato dispositivo appareil dispositif maszyna "
    "urządzenie sprzęt"
)
# The domain of what is called on everything, whatever it is.
EVERYTHING = "homeassistant"
# What a device of a domain may be called by anybody, in all five languages. Endings need not be listed.
_NOUNS: dict[str, frozenset[str]] = {
    "light": _set(
        "light lights lamp lamps lighting bulb spot spots licht lichter lampe lampen leuchte beleuchtung luz luces "
        "lampara lamparas bombilla foco lumière lumières lampes éclairage ampoule światło światła lampa lampy lampę "
        "lampka lampki żarówka oświetlenie"
    ),
    "switch": _set(
        "switch plug socket outlet power schalter steckdose stecker interruptor enchufe interrupteur prise "
        "przełącznik włącznik gniazdko wtyczka light lamp licht lampe luz lumière światło lampa"
    ),
    "fan": _set("fan fans ventilator lüfter ventilador ventilateur wentylator wiatrak"),
    "cover": _set(
        "cover covers blind blinds shade shades shutter shutters curtain curtains awning drapes door gate window "
        "rollo rollos rollladen rolladen jalousie jalousien vorhang vorhänge markise tor tür fenster persiana "
        "persianas cortina cortinas toldo puerta ventana portón volet volets store stores rideau rideaux porte "
        "portail fenêtre roleta rolety żaluzja żaluzje zasłona zasłony brama drzwi okno"
    ),
    "lock": _set("lock door schloss tür türschloss cerradura puerta serrure porte verrou zamek drzwi"),
    "climate": _set(
        "thermostat heating heater heat temperature climate radiator ac aircon air conditioning conditioner heizung "
        "thermostate temperatur klima klimaanlage heizkörper termostato calefacción temperatura clima aire "
        "acondicionado radiador chauffage thermostats température climatisation radiateur clim termostat ogrzewanie "
        "temperaturę klimatyzacja grzejnik kaloryfer"
    ),
    "media_player": _set(
        "tv television telly player speaker speakers music radio volume sound stereo fernseher lautsprecher musik "
        "lautstärke tele televisor televisión altavoz música volumen télé télévision télévision enceinte musique "
        "son telewizor głośnik muzyka muzykę głośność"
    ),
    "vacuum": _set("vacuum cleaner robot hoover staubsauger saugroboter sauger aspiradora aspirateur odkurzacz robota"),
    "humidifier": _set(
        "humidifier humidity dehumidifier luftbefeuchter luftentfeuchter humidificador humidificateur nawilżacz"
    ),
    "scene": _set("scene scenes mode mood szene stimmung escena modo scène ambiance scena nastrój tryb"),
    "script": _set("script routine skript programm rutina guion rutyna skrypt"),
    "siren": _set("siren alarm sirene sirena sirène syrena"),
    "valve": _set("valve water tap ventil wasser válvula agua vanne eau robinet zawór woda"),
    "lawn_mower": _set("mower lawnmower lawn robot mäher rasenmäher mähroboter cortacésped tondeuse kosiarka"),
    "water_heater": _set("boiler heater water hot warmwasser calentador agua chauffe eau bojler woda"),
    EVERYTHING: _set(
        "everything all anything stuff things devices alles alle sachen geräte todo todos todas cosas aparatos "
        "dispositivos tout tous toutes appareils choses wszystko wszystkie rzeczy urządzenia"
    ),
}
GENERIC: dict[str, frozenset[str]] = {domain: nouns | _THING for domain, nouns in _NOUNS.items()}

# Commands, grammar, values and politeness: nothing by which a device is told from another.
IDLE: dict[str, frozenset[str]] = {
    "en": _set(
        "a an the this that these those my our your his her their its it i i'm we you me us he she they is are be "
        "was am turn turned switch put set make get bring take let open close shut lock unlock start stop pause "
        "play resume dim brighten raise lower increase decrease adjust change activate deactivate run press mute "
        "unmute arm disarm enable disable leave keep move send go come have has had do does did can could would "
        "will should want need like something anything nothing please thanks thank hey hi hello ok okay now then "
        "again just only also too so very really bit little more less much many some any every each all both whole "
        "everything on off up down in at of for to from by with without near into onto over under out back home "
        "through inside outside there here where when what which who how why if because before after until till "
        "while as than not no don't percent degree degrees celsius fahrenheit kelvin full half quarter maximum "
        "minimum max min high low medium bright brighter dark darker warm warmer cool cooler cold colder hot hotter "
        "loud louder quiet quieter slow slower fast faster completely fully entirely slightly quickly slowly gently "
        "immediately today tonight tomorrow morning evening night minute minutes hour hours second seconds time one "
        "ones thing things color colour red green blue yellow white orange purple pink violet"
    ),
    "de": _set(
        "der die das den dem des ein eine einen einem einer eines mein meine meinen unser unsere dein deine ich wir "
        "du ihr sie er es mir mich uns dir dich ist sind sei bin war mach mache machen schalte schalten schalt "
        "stelle stell stellen setze setz dreh drehe öffne öffnen schließ schließe schließen sperr sperre verriegle "
        "entriegle starte start stoppe stopp halte fahr fahre lass dimme dimm erhöhe senke aktiviere deaktiviere "
        "drück drücke spiel spiele bring bringe geh kann kannst könntest würdest soll sollst will möchte bitte "
        "danke hallo hey ok jetzt dann wieder nur auch noch mal sehr etwas bisschen mehr weniger viel alle alles "
        "jede jeder ganz ganze an aus auf zu ab ein hoch runter rauf herunter hinauf in im am bei von vom für mit "
        "ohne nach über unter vor hinter neben da dort hier wo wann was welche wie warum wenn weil bevor bis "
        "während als nicht kein keine prozent grad kelvin voll halb maximal minimal hell heller dunkel dunkler warm "
        "wärmer kalt kälter laut lauter leise leiser langsam schnell ein wenig sofort heute abend morgen nacht "
        "minute minuten stunde stunden sekunde sekunden uhr farbe rot grün blau gelb weiß orange lila rosa"
    ),
    "es": _set(
        "el la los las lo un una unos unas mi mis nuestro nuestra tu su yo nosotros me nos te se es son está están "
        "era enciende encender prende apaga apagar pon poner ponme baja bajar sube subir abre abrir cierra cerrar "
        "bloquea desbloquea inicia empieza para detén pausa reproduce activa desactiva ejecuta pulsa cambia ajusta "
        "aumenta reduce atenúa haz hacer deja manda quiero puedes podrías puede quisiera necesito por favor gracias "
        "hola oye vale ok ahora luego otra vez solo también más menos muy poco mucho todo toda todos todas cada en "
        "de del al a para por con sin sobre bajo desde hasta ahí aquí allí donde cuando que cual como porque si "
        "mientras no ciento porcentaje grado grados kelvin máximo mínimo mitad alto bajo claro brillante oscuro "
        "cálido caliente frío fuerte suave lento rápido inmediatamente hoy noche mañana tarde minuto minutos hora "
        "horas segundo segundos color rojo verde azul amarillo blanco naranja morado rosa y"
    ),
    "fr": _set(
        "le la les l un une des du de d mon ma mes notre nos ton ta tes son sa ses je j nous tu vous il elle on me "
        "m te t se s est sont était allume allumer allumez éteins éteindre éteignez mets mettre mettez règle régler "
        "ouvre ouvrir ouvrez ferme fermer fermez verrouille déverrouille démarre lance arrête stoppe pause joue "
        "reprends active désactive exécute appuie baisse baisser monte monter augmente diminue change fais faire "
        "laisse envoie veux voudrais peux pourrais peut faut plaît merci bonjour salut ok maintenant puis encore "
        "seulement aussi plus moins très peu beaucoup tout toute tous toutes chaque à au aux en dans sur sous pour "
        "par avec sans chez vers jusque là ici où quand que qui quel quelle comment pourquoi si parce pendant ne n "
        "pas pourcent pour cent degré degrés kelvin maximum minimum moitié fort forte doux clair sombre chaud froid "
        "lent vite rapidement immédiatement aujourd'hui soir nuit matin demain minute minutes heure heures seconde "
        "secondes couleur rouge vert bleu jaune blanc orange violet rose et"
    ),
    "pl": _set(
        "ten ta to te tę tą tym tej tego mój moja moje nasz nasza twój ja my ty on ona ono mi mnie nam się jest są "
        "był włącz wyłącz zapal zgaś ustaw ustawić otwórz zamknij odblokuj zablokuj uruchom zacznij zatrzymaj "
        "wstrzymaj wznów odtwórz aktywuj dezaktywuj naciśnij zmień zwiększ zmniejsz podnieś opuść przyciemnij "
        "rozjaśnij daj zrób wyślij chcę możesz mógłbyś mogłabyś proszę dzięki dziękuję cześć hej ok teraz potem "
        "znowu tylko też jeszcze bardzo trochę więcej mniej wszystko wszystkie każdy każde cały całe w we na z ze "
        "do od po pod nad przy przez dla o u tam tu tutaj gdzie kiedy co jaki jaka jak dlaczego jeśli bo podczas "
        "nie procent procenty procentach stopień stopni stopnie kelwin maksimum minimum połowa pół jasno jaśniej "
        "ciemno ciemniej ciepło cieplej zimno zimniej głośno głośniej cicho ciszej wolno szybko natychmiast dziś "
        "dzisiaj wieczór noc rano jutro minuta minut minuty godzina godzin sekunda sekund kolor czerwony zielony "
        "niebieski żółty biały pomarańczowy fioletowy różowy i oraz"
    ),
}

# What stands between two things of a command.
PARTING: dict[str, frozenset[str]] = {
    "en": _set("and then but or plus"),
    "de": _set("und dann aber oder sowie"),
    "es": _set("y e luego pero o"),
    "fr": _set("et puis mais ou"),
    "pl": _set("i oraz potem ale lub a"),
}

# What stands between a thing and its place or its owner.
PLACING: dict[str, frozenset[str]] = {
    "en": _set("in at of by near inside above under behind from"),
    "de": _set("in im am vom von beim über unter hinter neben aus"),
    "es": _set("en de del junto sobre"),
    "fr": _set("dans de du des d à au aux en sur sous"),
    "pl": _set("w we na nad pod przy z ze obok"),
}
# Where what describes a noun stands behind it.
NOUN_FIRST = frozenset({"es", "fr", "pl"})

# After one of these comes what is not meant.
SPARING: dict[str, frozenset[str]] = {
    "en": _set("except excluding besides not don don't without instead but"),
    "de": _set("außer nicht ohne statt anstatt bis auf"),
    "es": _set("excepto menos salvo sin no vez"),
    "fr": _set("sauf excepté hormis sans pas lieu"),
    "pl": _set("oprócz poza bez nie zamiast"),
}
