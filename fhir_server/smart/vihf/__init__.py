"""VIHF: the SAML assertion by which establishment software tells the DMP who calls, for which patient and why.

Source: CI-SIS, Volet transport synchrone (VIHF 4.0); IHE XUA; https://docs.oasis-open.org/security/saml/v2.0/
"""

from fhir_server.smart.vihf.caller import Assertions, Surroundings
from fhir_server.smart.vihf.issuers import Issuer, Issuers

__all__ = ["Assertions", "Issuer", "Issuers", "Surroundings"]
