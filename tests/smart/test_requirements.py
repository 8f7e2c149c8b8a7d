"""The requirements of SMART App Launch 2.2 for a server, each with the test that proves it: a map, and that it is true.

https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CHECKLIST, LAUNCH, OAUTH = "asgi/pages/test_checklist.py", "asgi/pages/test_launch.py", "asgi/pages/test_oauth.py"
NEGATIVE, STATE, BRANDS = "asgi/pages/test_negative.py", "asgi/pages/test_app_state.py", "asgi/pages/test_brands.py"
ASKING = "smart/test_authorize.py"
BACKEND, TOKEN, SANDBOX = "smart/test_backend_services.py", "smart/test_token.py", "end_to_end/test_sandbox.py"

REQUIREMENTS: dict[str, tuple[str, str]] = {
    # Discovery
    "SHALL serve .well-known/smart-configuration as JSON whatever Accept": (CHECKLIST, "test_discovery_is_json"),
    "SHALL use absolute URLs in discovery": (OAUTH, "test_the_smart_configuration_is_whole_absolute_and_true"),
    "SHALL list token_endpoint, grant_types_supported, capabilities, S256 and not plain": (
        CHECKLIST,
        "test_discovery_is_whole",
    ),
    "SHALL list authorization_endpoint, issuer and jwks_uri": (
        CHECKLIST,
        "test_discovery_is_whole",
    ),
    "SHOULD list scopes that all work": (OAUTH, "test_every_scope_that_is_announced_can_be_granted"),
    "SHOULD list management, introspection and revocation endpoints": (CHECKLIST, "test_discovery_is_whole"),
    "SHOULD list the brand bundle and its identifier": (BRANDS, "test_the_brands_are_published"),
    # Authorization request
    "SHALL support PKCE S256, require a challenge, refuse plain": (CHECKLIST, "test_pkce_is_required"),
    "SHALL verify that code_verifier is present and right": (NEGATIVE, "test_a_code_that_is_shown_wrongly"),
    "SHALL support authorization by GET and by POST": (CHECKLIST, "test_authorize_by_get_and_post"),
    "SHALL support aud": (CHECKLIST, "test_aud_names_this_server"),
    "MAY support resource in place of aud": (
        "smart/test_authorize.py",
        "test_resource_may_name_the_server_in_place_of_aud",
    ),
    "SHALL match redirect_uri with the registration": (NEGATIVE, "test_who_cannot_be_trusted_is_told_on_a_page"),
    "SHALL pass back state": (CHECKLIST, "test_state_and_issuer_come_back"),
    "SHALL take a launch handle that is opaque, of one person, good once": (
        LAUNCH,
        "test_a_launch_is_good_once_for_one_person_one_app_and_some_minutes",
    ),
    "SHALL establish a patient in context for patient/ scopes": (CHECKLIST, "test_a_patient_scope_brings_a_patient"),
    "SHOULD provide launch/patient and launch/encounter": (
        LAUNCH,
        "test_a_professional_picks_the_patient_and_the_encounter",
    ),
    "SHALL keep fhirContext to its rules": (LAUNCH, "test_a_context_that_smart_forbids_is_refused"),
    # Token
    "SHALL answer with access_token, Bearer, scope; no-store; at most an hour": (CHECKLIST, "test_the_token_response"),
    "SHALL bind refresh tokens to the client and never widen; rotate": (CHECKLIST, "test_refresh_tokens"),
    "SHALL return the context again at a refresh": (
        LAUNCH,
        "test_an_ehr_launch_brings_its_whole_context_to_the_token_and_to_its_refresh",
    ),
    "SHALL take public clients without authentication": (SANDBOX, "test_each_kind_of_app_gets_in"),
    "MAY take symmetric clients by Basic": (TOKEN, "test_a_confidential_client_authenticates_with_its_secret"),
    "SHALL end online_access with the session": (LAUNCH, "test_online_access_lasts_as_long_as_the_session"),
    # Asymmetric clients
    "SHALL register JWKS by URL": (BACKEND, "test_keys_are_fetched_and_kept_as_long_as_cache_control_says"),
    "SHALL register JWKS inline": (BACKEND, "test_both_required_algorithms_bring_a_token"),
    "SHALL accept RS384 and ES384": (BACKEND, "test_both_required_algorithms_bring_a_token"),
    "SHALL validate signature, iss, sub, aud, exp, jti, jku, kid": (
        NEGATIVE,
        "test_an_assertion_that_does_not_hold",
    ),
    "SHALL NOT take a jti twice": (BACKEND, "test_a_replayed_jti_is_known_after_a_restart"),
    "SHALL pick exactly one key": (BACKEND, "test_two_keys_of_the_same_kid_are_refused"),
    "SHALL NOT cache a JWKS longer than Cache-Control": (
        BACKEND,
        "test_keys_are_not_kept_without_leave_and_redirects_are_not_followed",
    ),
    "SHALL find the key of a client that rotated, by URL": (
        BACKEND,
        "test_a_new_key_is_found_before_the_kept_ones_are_old",
    ),
    "SHALL use TLS 1.2 at least": ("end_to_end/test_mutual_tls.py", "test_old_tls_does_not_connect"),
    # Backend services
    "SHALL offer client_credentials with system/ scopes within the policy": (
        BACKEND,
        "test_a_scope_wider_than_the_clients_is_narrowed",
    ),
    "SHOULD last 300 seconds, without a refresh token": (CHECKLIST, "test_a_backend_token"),
    # Scopes
    "SHALL NOT widen scopes out of order": (CHECKLIST, "test_malformed_scopes_are_refused"),
    "SHOULD advertise permission-v1 and map its scopes": (CHECKLIST, "test_v1_scopes"),
    "SHALL support granular scopes": (CHECKLIST, "test_granular_scopes"),
    "SHALL NOT exceed the user's own permissions": (ASKING, "test_granted_is_asked_and_the_clients_and_the_users"),
    "SHALL authorise a transaction entry by entry": (
        "interactions/test_decisions.py",
        "test_a_transaction_under_a_grant_is_bound_like_its_entries",
    ),
    "SHALL ask the search letter for the history of a type": (
        "interactions/test_decisions.py",
        "test_history_of_what_there_is_asks_for_the_search_letter",
    ),
    "SHALL document what becomes of Patient.link": (
        "smart/test_requirements.py",
        "test_what_becomes_of_patient_link_is_documented",
    ),
    "MAY write scopes in URI form": (LAUNCH, "test_scopes_in_uri_form_mean_the_same"),
    # OpenID Connect
    "SHALL sign the id_token with RS256, publish its key, say fhirUser": (CHECKLIST, "test_the_id_token"),
    "fhirUser: permission to retrieve information about the current user": (
        "smart/test_bearer.py",
        "test_the_person_that_fhir_user_names_can_be_read",
    ),
    # CORS
    "SHALL let any origin read smart-configuration and metadata": (SANDBOX, "test_who_may_read_from_a_page"),
    "SHALL let registered origins use the token endpoint and the FHIR API": (SANDBOX, "test_who_may_read_from_a_page"),
    # Resource server
    "SHALL validate token, expiry and scope at each request": (NEGATIVE, "test_an_access_token_that_does_not_hold"),
    "RFC 6750: SHOULD tell insufficient_scope with 403": (
        "asgi/test_server.py",
        "test_a_scope_that_is_missing_is_told_in_the_challenge",
    ),
    # Registration
    "RFC 7591: SHALL refuse unsafe metadata by name": (
        "asgi/pages/test_registration.py",
        "test_unsafe_metadata_are_refused",
    ),
    "RFC 7592: SHALL let an app read, replace and delete its registration": (
        "asgi/pages/test_registration.py",
        "test_an_app_replaces_its_registration",
    ),
    "RFC 6749, 10.10: SHALL prevent guessing": (OAUTH, "test_who_guesses_waits_and_nobody_else"),
    # Introspection and revocation
    "SHALL introspect with active, scope, client_id, exp, context, fhirUser": (
        CHECKLIST,
        "test_introspection",
    ),
    "SHALL accept a bearer token at introspection": (CHECKLIST, "test_introspection"),
    "RFC 7009: SHALL end the tokens of an authorization": (TOKEN, "test_revoking_either_token_ends_both"),
    # App state
    "SHALL advertise smart-app-state": (STATE, "test_it_is_discovered"),
    "SHALL store a state unmodified or reject it": (STATE, "test_a_state_is_kept_as_it_was_sent"),
    "SHALL require If-Match, and keep code and subject": (STATE, "test_changes_need_the_newest_version"),
    "SHALL hold states to 256KB, one coding, valueString": (STATE, "test_what_cannot_be_kept_is_refused_whole"),
    "SHALL find states by code and subject, or subject:missing": (STATE, "test_global_configuration"),
    "SHALL give an app the states of its own codes only": (STATE, "test_only_what_is_the_apps_and_the_persons"),
    # Brands
    "SHALL publish a primary brand, a timestamp, CORS; SHOULD a weak ETag": (BRANDS, "test_the_brands_are_published"),
    "SHALL let the operator write every element and identifier": (
        BRANDS,
        "test_the_operators_file_is_served_as_he_wrote_it",
    ),
    "SHALL NOT give other reasons for absent data": (BRANDS, "test_absent_reasons"),
    # Ours
    "Pro Santé Connect signs professionals in": (
        "asgi/pages/test_openid.py",
        "test_a_professional_signs_in_with_pro_sante_connect",
    ),
    "Its claims become Practitioner, PractitionerRole, Organization and profession": (
        "asgi/pages/test_openid.py",
        "test_a_professional_enters_the_directory_with_his_first_sign_in",
    ),
    "The purpose of use is the person's, with a reason": (
        "asgi/pages/test_emergency.py",
        "test_an_emergency_gives_a_short_token_with_its_reason",
    ),
    "Scopes are told in French": ("asgi/pages/test_consent.py", "test_scopes_are_told_in_words"),
    "The person takes an app's access back": (
        "asgi/pages/test_account.py",
        "test_the_page_says_what_each_app_may_do_and_takes_it_back",
    ),
}


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("requirement", list(REQUIREMENTS))
def test_a_requirement_has_its_test(requirement: str) -> None:
    file, name = REQUIREMENTS[requirement]
    assert name in names_in(file), f"{requirement}: {file} has no {name} any more"


@pytest.mark.spec("smart-app-launch/STU2.2/scopes-and-launch-context.html (SHALL document Patient.link)")
def test_what_becomes_of_patient_link_is_documented() -> None:
    readme = (TESTS.parent / "README.md").read_text(encoding="utf-8")
    assert "a scope never follows `Patient.link`" in readme
