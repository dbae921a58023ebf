"""The protocol as a HARPER document (ISPE/ISPOR 2022): numbered sections, operational tables, design diagram.

Everything in it is the frozen protocol's, or a fact that was passed in; what neither says is named as not stated.
"""
