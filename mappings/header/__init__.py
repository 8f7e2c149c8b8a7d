"""The CDA header: who, when, for whom, under which act. Source: FRHeaderDocumentLMCDAFHIR and its sub-tables."""
