"""Free text: what identifies in it, found and replaced. Not released by default, and never without a person.

`clean` is the way in: exact matching seeded from the structured record first, then rules, then
segmentation; surrogates of the same type; dates shifted as the patient's other dates are; and a second
reading that must find nothing, or the text is withheld.
"""
