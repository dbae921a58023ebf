"""What the linter is asked: definitions with one thing wrong in them, and such in which nothing is."""

from __future__ import annotations

from tests.studies.cohorts.language_cases import codes

DX = f"{{table: condition, codes: {codes('A')}}}"
OTHER = f"{{table: condition, codes: {codes('B')}}}"
DRUG = "{table: drug_exposure, codes: {list: statins@1}}"
USE = f"{{table: drug_use, codes: {codes('U')}}}"
IMPLANT = "{table: device_use, codes: {column: model, any_of: [M]}}"
GFR = f"{{table: measurement, codes: {codes('G')}}}"
WHY = "reason: {zh: 不符, en: Not met}"
ENTRY = f"""entry:
  title: {{zh: 诊断, en: Diagnosis}}
  observed: {{before: 730}}
  events: [{DX}]
"""


def rule(condition: str, part: str = "require", id: str = "one") -> str:
    return f"{part}:\n  - {{id: {id}, {WHY}, {condition}}}\n"


def two(first: str, second: str, parts: tuple[str, str] = ("require", "require")) -> str:
    if parts[0] == parts[1]:
        return rule(first) + f"  - {{id: two, {WHY}, {second}}}\n"
    return rule(first, parts[0]) + rule(second, parts[1], "two")


def entry(extra: str = "", events: str = DX) -> str:
    return f"entry:\n  title: {{zh: 诊断, en: Diagnosis}}\n{extra}  events:\n    - {events}\n"


def within(condition: str) -> str:
    return DX.replace("}}", "}, within: {" + condition + "}}")


def where(query: str, tests: str) -> str:
    return query[:-1] + ", where: {" + tests + "}}"


CASES = [
    # contradictions
    ("an age above and below", rule("patient: {age: {at_least: 18, at_most: 10}}"), "contradiction", 8),
    ("no whole number between", rule("patient: {age: {more_than: 17, less_than: 18}}"), "contradiction", 8),
    ("an age in two rules", two("patient: {age: {at_least: 65}}", "patient: {age: {at_most: 17}}"),
     "contradiction", 9),
    ("an age required and excluded",
     two("patient: {age: {at_least: 65}}", "patient: {age: {at_least: 60}}", ("require", "exclude")),
     "contradiction", 10),
    ("a sex required and excluded",
     two("patient: {gender: female}", "patient: {gender: [female, unknown]}", ("require", "exclude")),
     "contradiction", 10),
    ("recorded and not", rule("patient: {gender: {recorded: false, is: female}}"), "contradiction", 8),
    ("two statuses at once",
     rule("events: {table: condition, codes: {list: statins@1}, where: {status: {is: confirmed, is_not: confirmed}}}, "
          "days: [-9, 0]"),
     "contradiction", 8),
    ("units that contradict",
     rule(f"events: {GFR[:-1]}, where: {{unit: mL/h, value: {{at_least: 3, unit: mL/min}}}}}}, days: [-9, 0]"),
     "contradiction", 8),
    ("limits of a value turned round",
     rule(f"events: {GFR[:-1]}, where: {{value: {{between: [9, 3], unit: g}}}}}}, days: [-9, 0]"),
     "contradiction", 8),
    ("a value before and after the choice",
     rule(f"events: {GFR[:-1]}, where: {{status: final}}}}, days: [-9, 0], of: last, then: {{status: amended}}"),
     "contradiction", 8),
    ("a season that ends before it begins",
     entry('  between: {from: "2001-01-01", to: "2000-01-01"}\n  observed: {before: 730}\n'),
     "contradiction", 8),
    ("the same events required and excluded",
     two(f"events: {DRUG}, days: [-30, 0]", f"events: {DRUG}, days: [-30, 0]", ("require", "exclude")),
     "required_and_excluded", 10),
    ("required inside what is excluded",
     two(f"events: {DRUG}, days: [-10, -5]", f"no_events: {DRUG}, days: [-30, -1]"),
     "required_and_excluded", 9),
    ("more required than allowed",
     two(f"events: {DRUG}, days: [-30, 0], count: {{at_least: 3}}",
         f"events: {DRUG}, days: [-60, 0], count: {{at_most: 2}}"),
     "required_and_excluded", 9),
    ("an exclusion that the entry meets", rule(f"events: {DX}, days: [-365, 0]", "exclude"),
     "excludes_entry", 8),
    ("an exclusion that the entry meets, in a group",
     rule(f"any: [{{events: {OTHER}, days: [-365, 0]}}, {{events: {DX}, days: [-365, 0]}}]", "exclude"),
     "excludes_entry", 8),
    ("two of the first", rule(f"events: {DRUG}, days: [-30, 0], count: {{at_least: 2}}, of: first"),
     "count_of_one", 8),
    ("three of two",
     rule(f"at_least: {{number: 3, of: [{{events: {DRUG}, days: [-9, 0]}}, {{patient: {{gender: male}}}}]}}"),
     "group_impossible", 8),
    ("a condition that always holds", rule(f"events: {DRUG}, days: [-9, 0], count: {{at_least: 0}}"),
     "always_true", 8),
    ("a window turned round", rule(f"events: {DRUG}, days: [-1, -30]"), "window_reversed", 8),
    ("a calendar turned round", 'window: {from: "2001-01-01", to: "2000-01-01"}\n', "calendar_empty", 7),
    ("an exit before the entry", "exit: {days: -1, from: start}\n", "exit_before_entry", 7),
    ("censored by the entry", f"censor:\n  - {DX}\n", "censored_at_entry", 8),
    ("two lists with no code in common",
     rule("events: {table: condition, codes: [" + codes("B", "C") + ", " + codes("D") + "]}, days: [-9, 0]"),
     "contradiction", 8),
    ("a list without all of it",
     rule("events: {table: condition, codes: [" + codes("B") + ", " + codes("B", "C")[:-1] + ", except: true}]}, "
          "days: [-9, 0]"),
     "contradiction", 8),
    ("younger than nothing", rule("patient: {age: {less_than: 0}}"), "contradiction", 8),
    ("shorter than nothing", rule(f"events: {where(USE, 'days: {less_than: 0}')}, days: [-9, -9]"),
     "contradiction", 8),
    ("an age that nobody has", rule("patient: {age: [-1, -2]}"), "contradiction", 8),
    ("men enter and women stay",
     entry("", where(DX, "patient.gender: male")) + rule("patient: {gender: female}"), "contradiction", 8),
    ("men enter and none stay",
     entry("", where(DX, "patient.gender: male")) + rule("patient: {gender: male}", "exclude"),
     "contradiction", 8),
    ("men enter and women qualify",
     entry("", where(DX, "patient.gender: male")) + "qualify: {patient: {gender: female}}\n",
     "contradiction", 7),
    ("none of several kinds of entry stays",
     "entry:\n  title: {zh: 诊断, en: Diagnosis}\n  events:\n    - " + where(DX, "age: {less_than: 18}") + "\n    - "
     + where(OTHER, "age: {less_than: 40}") + "\n" + rule("patient: {age: {at_least: 65}}"),
     "contradiction", 9),
    ("an index date in two years at once",
     entry('  between: {from: "2020-01-01", to: "2021-12-31"}\n')
     + rule("patient: {start_date: {at_least: '2022-01-01'}}"),
     "contradiction", 9),
    ("a length of what has none", rule("patient: {days: {at_least: 90}}"), "contradiction", 8),
    ("a length of other events that have none", rule(f"events: {where(OTHER, 'days: {at_least: 1}')}, days: [-9, -1]"),
     "contradiction", 8),
    ("a length after the index date was moved",
     entry("  landmark_days: 90\n", where(USE, "days: {at_least: 90}")), "contradiction", 7),
    ("a calendar window after every index date",
     entry('  between: {from: "2020-01-01", to: "2021-12-31"}\n') + 'window: {from: "2025-01-01"}\n',
     "window_beside_entry", 8),
    ("a calendar window before every index date",
     entry() + rule("patient: {start_date: {at_least: '2022-01-01'}}") + 'window: {to: "2021-12-31"}\n',
     "window_beside_entry", 9),
    # empty parts
    ("an entry without codes", entry("  observed: {before: 730}\n", "{table: condition}"),
     "entry_without_codes", 7),
    ("an entry of all but a code", entry("", f"{{table: condition, codes: {codes('A')[:-1]}, except: true}}}}"),
     "entry_without_codes", 6),
    ("a list without codes", rule("events: {table: condition, codes: {list: empty@1}}, days: [-9, 0]"),
     "code_list_empty", 8),
    # time
    ("a condition in follow-up", rule(f"events: {DRUG}, days: [0, 30]"), "look_ahead", 8),
    ("a condition that never ends", rule(f"events: {DRUG}, days: [-30, null]"), "look_ahead", 8),
    ("an absence in follow-up", rule(f"no_events: {DRUG}, days: [-30, 1]"), "look_ahead", 8),
    ("an exclusion in follow-up", rule(f"events: {OTHER}, days: [1, 30]", "exclude"), "look_ahead", 8),
    ("follow-up inside a group",
     rule(f"any: [{{patient: {{gender: male}}}}, {{events: {DRUG}, days: [0, 7]}}]"),
     "look_ahead", 8),
    ("follow-up around an event before",
     rule(f"events: {{table: drug_exposure, codes: {{list: statins@1}}, "
          f"within: {{events: {OTHER}, days: [0, 10]}}}}, days: [-30, -5]"),
     "look_ahead", 8),
    ("follow-up of the entry event", entry("", within(f"events: {OTHER}, days: [0, 10]")), "look_ahead", 6),
    ("an event moved back in time",
     rule("events: {table: drug_exposure, codes: {list: statins@1}, shift: {start_days: -30}}, days: [-30, 0]"),
     "look_ahead", 8),
    ("counted from the end of a stay",
     entry("", "{table: visit, where: {class: IMP}}")
     + rule(f"events: {DRUG}, days: [-9, 0], dates: {{index: end}}"), "look_ahead", 8),
    ("how long a use goes on", rule(f"events: {where(USE, 'days: {at_least: 180}')}, days: [-14, 0]"),
     "look_ahead", 8),
    ("how long a use does not go on", rule(f"no_events: {where(USE, 'days: {at_least: 180}')}, days: [-14, 0]"),
     "look_ahead", 8),
    ("how long the last use goes on",
     rule(f"events: {USE}, days: [-14, 0], of: last, then: {{days: {{at_least: 90}}}}"), "look_ahead", 8),
    ("a day short of the index date",
     rule(f"events: {where(USE, 'days: {at_most: 14}')}, days: [-30, -14]"), "look_ahead", 8),
    ("when a use ends",
     rule("events: " + where(USE, "end_date: {at_least: '2024-01-01'}") + ", days: [-14, 0]"), "look_ahead", 8),
    ("how old when it ends", rule(f"events: {where(USE, 'age_at_end: {at_least: 65}')}, days: [-14, 0]"),
     "look_ahead", 8),
    ("an implant that stays in", rule(f"events: {where(IMPLANT, 'days: {at_least: 365}')}, days: [0, 0]"),
     "look_ahead", 8),
    ("an implant that will come out",
     rule(f"events: {where(IMPLANT, 'end_date: {recorded: true}')}, days: [-30, -30]"), "look_ahead", 8),
    ("how long the index event goes on", entry("", USE) + rule("patient: {days: {at_least: 90}}"),
     "look_ahead", 8),
    ("how long the index event goes on, to qualify",
     entry("", USE) + "qualify: {any: [{patient: {days: {at_least: 90}}}, {patient: {gender: male}}]}\n",
     "look_ahead", 7),
    ("when the index event ends", entry("", IMPLANT) + rule("patient: {end_date: {recorded: true}}"),
     "look_ahead", 8),
    ("how long an earlier event goes on",
     rule(f"events: {USE[:-1]}, within: {{patient: {{days: {{at_least: 40}}}}}}}}, days: [-60, -30]"),
     "look_ahead", 8),
    ("what is brought back", rule(f"events: {where(USE, 'returned: true')}, days: [-30, 0]"), "look_ahead", 8),
    ("what is brought back when it is over",
     rule(f"events: {where(USE, 'returned: true')}, days: [-30, 0], dates: {{event: end}}"), "look_ahead", 8),
    ("none is over: it goes on", rule(f"none: [{{events: {USE}, days: [-700, 0], dates: {{event: end}}}}]"),
     "look_ahead", 8),
    ("whose use is over leaves", rule(f"events: {USE}, days: [-700, 0], dates: {{event: end}}", "exclude"),
     "look_ahead", 8),
    ("what the entry brings back", entry("", where(USE, "returned: true")), "known_later", 6),
    ("days after the index must be observed", entry("  observed: {after: 180}\n"), "follow_up_required", 3),
    ("the last entry", entry("  pick: last\n"), "last_entry", 3),
    ("how long the stay will be", entry("", "{table: visit, where: {days: {at_least: 7}}}"),
     "known_later", 6),
    ("the last of all, then the window", rule(f"events: {GFR[:-1]}, pick: last}}, days: [-90, 0]"),
     "pick_in_related", 8),
    ("an absence before observation", rule(f"no_events: {OTHER}, days: [-731, -1]"),
     "absence_not_observed", 8),
    ("a washout before observation", rule(f"washout: {OTHER}, days: 731"), "absence_not_observed", 8),
    ("new use before observation", entry("  observed: {before: 364}\n  new_user: {washout_days: 365}\n"),
     "absence_not_observed", 6),
    # values, outcomes, lists
    ("a number without its unit",
     rule(f"events: {GFR[:-1]}, where: {{value: {{at_least: 30}}}}}}, days: [-90, 0]"),
     "unit_missing", 8),
    ("a chosen number without its unit",
     rule(f"events: {GFR}, days: [-90, 0], of: last, then: {{value: {{at_least: 30}}}}"),
     "unit_missing", 8),
    ("a number in one of two units",
     rule(f"events: {GFR[:-1]}, where: {{unit: [g, kg], value: {{at_least: 30}}}}}}, days: [-90, 0]"),
     "unit_missing", 8),
    ("the value before the choice",
     rule(f"events: {GFR[:-1]}, where: {{value: {{at_least: 30, unit: g}}}}}}, days: [-90, 0], of: last"),
     "value_before_choice", 8),
    ("an outcome in a rule",
     rule(f"events: {{table: outcome_event, codes: {codes('D')}}}, days: [-90, 0]", "exclude"),
     "outcome_before_freeze", 8),
    ("an outcome inside an event",
     rule(f"events: {{table: drug_exposure, codes: {{list: statins@1}}, "
          f"within: {{events: {{table: outcome_event, codes: {codes('D')}}}, days: [-9, 0]}}}}, days: [-30, 0]"),
     "outcome_before_freeze", 8),
    ("censoring by an outcome", f"censor:\n  - {{table: outcome_event, codes: {codes('D')}}}\n",
     "outcome_before_freeze", 8),
]  # fmt: skip


BEFORE = [
    ("a use that was over", rule(f"events: {USE}, days: [-700, 0], dates: {{event: end}}")),
    ("how long a use was that is over",
     rule(f"events: {where(USE, 'days: {at_least: 90}, age_at_end: {at_least: 18}')}, days: [null, 0], "
          "dates: {event: end}")),
    ("a use that had gone on for ninety days",
     rule(f"events: {where(USE, 'days: {at_least: 90}')}, days: [-700, -90]")),
    ("a use of less than ninety days, long ago",
     rule(f"events: {where(USE, 'days: {at_most: 89}')}, days: [-700, -90]")),
    ("how long it had gone on, inside",
     rule(f"events: {USE[:-1]}, within: {{patient: {{days: {{at_least: 30}}}}}}}}, days: [-60, -30]")),
    ("not brought back", rule(f"events: {where(USE, 'returned: false')}, days: [-30, 0]")),
    ("an implant that is in", rule(f"no_events: {IMPLANT}, days: [-730, 0], dates: {{event: end}}")),
    ("in place on the index date",
     two(f"events: {IMPLANT}, days: [null, 0]", f"no_events: {IMPLANT}, days: [null, 0], dates: {{event: end}}")),
    ("an implant that came out leaves", rule(f"events: {IMPLANT}, days: [-700, 0], dates: {{event: end}}", "exclude")),
    ("what has no length", rule(f"events: {where(GFR, 'days: 0')}, days: [-9, 0]")),
    ("the index date moved past it",
     entry("  landmark_days: 90\n", USE) + rule(f"events: {where(USE, 'days: {at_least: 90}')}, days: [-90, -90]")),
    ("women of one kind of entry",
     "entry:\n  title: {zh: 诊断, en: Diagnosis}\n  events:\n    - " + where(DX, "patient.gender: male") + "\n    - "
     + OTHER + "\n" + rule("patient: {gender: female}")),
    ("a window that begins among the index dates",
     entry('  between: {from: "2020-01-01", to: "2021-12-31"}\n') + 'window: {from: "2021-12-31"}\n'),
    ("a list without some of it",
     rule("events: {table: condition, codes: [" + codes("B", "C") + ", " + codes("B")[:-1] + ", except: true}]}, "
          "days: [-9, 0]")),
]  # fmt: skip
