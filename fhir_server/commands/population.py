"""A deterministic, fictive population: what the demo shows and the bench measures.

The NIR numbers are drawn in the test system (1.2.250.1.213.1.4.10) with a right key; nobody owns them.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

INS_NIR_TEST = "urn:oid:1.2.250.1.213.1.4.10"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PARIS = timezone(timedelta(hours=1))
FAMILIES = ("Martin", "Bernard", "Thomas", "Petit", "Robert", "Richard", "Durand", "Dubois", "Moreau", "Laurent")
GIVEN = {
    "female": ("Claire", "Élodie", "Nadia", "Françoise", "Inès", "Camille", "Aïcha", "Hélène"),
    "male": ("Paul", "Hugo", "Karim", "René", "Loïc", "Mathis", "Noé", "François"),
}
COMMUNES = (("75056", "Paris"), ("80021", "Amiens"), ("31555", "Toulouse"), ("44109", "Nantes"), ("69123", "Lyon"))
MEASURES = (
    ("2339-0", "Glucose [Masse/Volume] Sang", "mg/dL", 70, 180, "laboratory"),
    ("718-7", "Hémoglobine [Masse/Volume] Sang", "g/dL", 11, 17, "laboratory"),
    ("2160-0", "Créatinine [Masse/Volume] Sérum/Plasma", "mg/dL", 0.5, 1.6, "laboratory"),
    ("29463-7", "Poids corporel", "kg", 45, 110, "vital-signs"),
    ("8867-4", "Fréquence cardiaque", "/min", 50, 110, "vital-signs"),
)


def nir_key(number: str) -> str:
    """Return the two-digit key of a 13-character NIR, Corsican departments included."""
    digits = number.replace("2A", "19").replace("2B", "18")
    return f"{97 - int(digits) % 97:02d}"


class Population:
    """Draw patients and their observations from a seed; the same seed gives the same people."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - fiction, not secrets

    def _uuid(self) -> str:
        return f"urn:uuid:{UUID(int=self._random.getrandbits(128), version=4)}"

    def patient(self) -> dict[str, Any]:
        """Return a Patient with a test INS, an official name, a birth place and an address."""
        draw = self._random
        gender = draw.choice(("female", "male"))
        born = date(1935, 1, 1) + timedelta(days=draw.randrange(30_000))
        commune, city = draw.choice(COMMUNES)
        number = f"{2 if gender == 'female' else 1}{born:%y%m}{commune}{draw.randrange(1, 1000):03d}"
        first = draw.choice(GIVEN[gender])
        family = draw.choice(FAMILIES)
        return {
            "resourceType": "Patient",
            "identifier": [
                {
                    "use": "official",
                    "type": {
                        "coding": [
                            {
                                "system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203",
                                "code": "INS-NIR-TEST",
                            }
                        ]
                    },
                    "system": INS_NIR_TEST,
                    "value": number + nir_key(number),
                }
            ],
            "active": True,
            "name": [{"use": "official", "family": family.upper(), "given": [first]}],
            "telecom": [{"system": "phone", "value": f"06{draw.randrange(10**8):08d}", "use": "mobile"}],
            "gender": gender,
            "birthDate": born.isoformat(),
            "address": [
                {
                    "use": "home",
                    "line": [f"{draw.randrange(1, 99)} rue des Lilas"],
                    "city": city,
                    "postalCode": commune,
                    "country": "FRA",
                }
            ],
        }

    def observation(self, patient: str, measure: int, day: date) -> dict[str, Any]:
        """Return a laboratory or vital-signs Observation of the patient with this reference."""
        code, display, unit, low, high, category = MEASURES[measure % len(MEASURES)]
        taken = datetime(day.year, day.month, day.day, self._random.randrange(7, 19), 30, tzinfo=PARIS)
        return {
            "resourceType": "Observation",
            "status": "final",
            "category": [
                {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}]}
            ],
            "code": {"coding": [{"system": LOINC, "code": code, "display": display}]},
            "subject": {"reference": patient},
            "effectiveDateTime": taken.isoformat(),
            "valueQuantity": {
                "value": Decimal(f"{self._random.uniform(low, high):.1f}"),
                "unit": unit,
                "system": UCUM,
                "code": unit,
            },
        }

    def bundle(self, observations: int) -> dict[str, Any]:
        """Return a transaction of one patient with his observations, a day apart."""
        patient = self._uuid()
        resources = [(patient, self.patient())]
        resources += [
            (self._uuid(), self.observation(patient, index, date(2024, 1, 1) + timedelta(days=index)))
            for index in range(observations)
        ]
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": full_url,
                    "resource": resource,
                    "request": {"method": "POST", "url": resource["resourceType"]},
                }
                for full_url, resource in resources
            ],
        }

    def bundles(self, patients: int, observations: int) -> Iterator[dict[str, Any]]:
        """Yield one transaction a patient."""
        for _ in range(patients):
            yield self.bundle(observations)
