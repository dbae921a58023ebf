"""Source verification: rows drawn by a stated rule, a sheet that the hospital fills from the chart, and agreement.

The hospital alone goes from a line back to a patient; what returns are chart values of a row's ordinal, no names.
The platform's value is not on the sheet: whoever opens the chart writes down what it says without knowing ours.
"""
