"""Loaders: code systems in the files that their owners distribute, to tables. None of these files is in this project.

Spec: loinc.html, snomedct.html, https://ec.europa.eu ClaML (EN 14463)

Who imports one needs the licence of its owner: LOINC's (Regenstrief Institute), SNOMED CT's (SNOMED International, the
national release centre in France), CIM-10's (WHO, ATIH), CCAM's (CNAM, ATIH).
"""
