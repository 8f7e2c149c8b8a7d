"""Large code systems in files that are mapped into memory: looked up, walked and searched where they lie.

Spec: codesystem.html
"""
