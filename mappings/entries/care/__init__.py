"""Acts, encounters, devices, requests and goals, directives, coverages, adverse events, attached documents."""
