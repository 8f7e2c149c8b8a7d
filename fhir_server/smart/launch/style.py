"""The style that apps may take on, to look like the pages around them.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling
"""

STYLE_PATH = "/oauth/smart-style.json"

STYLE = {
    "color_background": "#ffffff",
    "color_error": "#ce0500",
    "color_highlight": "#000091",
    "color_modal_backdrop": "",
    "color_success": "#18753c",
    "color_text": "#161616",
    "dim_border_radius": "4px",
    "dim_font_size": "17px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
"""The colours and sizes of our own style sheet. A changed style gets a new address."""
