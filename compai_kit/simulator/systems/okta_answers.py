"""The objects of Okta's Management API, in Okta's shape, out of what the settings say of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

CREATED = "2025-01-15T10:00:00.000Z"
# Each type of factor, and whose it is.
PROVIDERS: Mapping[str, str] = {
    "call": "OKTA",
    "email": "OKTA",
    "push": "OKTA",
    "question": "OKTA",
    "signed_nonce": "OKTA",
    "sms": "OKTA",
    "token": "RSA",
    "token:hardware": "YUBICO",
    "token:hotp": "CUSTOM",
    "token:software:totp": "GOOGLE",
    "u2f": "FIDO",
    "web": "DUO",
    "webauthn": "FIDO",
}
# Okta's own applications, by the name that does not change.
APPS: Mapping[str, str] = {"saasure": "Okta Admin Console", "okta_enduser": "Okta Dashboard"}
_PROVIDER_NAMES = {"OKTA": "OKTA", "FEDERATION": "FEDERATION", "SOCIAL": "FACEBOOK"}


def identifier(prefix: str, of: str) -> str:
    """20 characters, as Okta's are; the same for the same thing."""
    return prefix + hashlib.sha256(of.encode()).hexdigest()[: 20 - len(prefix)]


def user(values: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    number = user_id(values)
    provider = values.get("provider", "OKTA")
    status = values.get("status", "ACTIVE")
    never = status == "STAGED"
    return {
        "id": number,
        "status": status,
        "created": CREATED,
        "activated": None if never else CREATED,
        "statusChanged": None if never else CREATED,
        "lastLogin": None,
        "lastUpdated": CREATED,
        "passwordChanged": None if never else CREATED,
        "type": {"id": identifier("oty", "default")},
        "profile": {
            "firstName": "Simulated",
            "lastName": "Person",
            "mobilePhone": None,
            "secondEmail": None,
            "login": values["login"],
            "email": values["login"],
        },
        "credentials": {
            "provider": {"type": provider, "name": _PROVIDER_NAMES.get(provider, "example.com")}
        },
        "_links": {"self": {"href": f"{base_url}/api/v1/users/{number}"}},
    }


def user_id(values: Mapping[str, Any]) -> str:
    return str(values.get("id") or identifier("00u", values["login"]))


def factor(values: Mapping[str, Any] | str, owner: Mapping[str, Any], url: str) -> dict[str, Any]:
    """A factor by its type alone is an active one."""
    given = {"type": values} if isinstance(values, str) else values
    kind, provider = given["type"], PROVIDERS.get(given["type"], "OKTA")
    number = identifier("fct", f"{owner['login']}/{kind}/{given.get('status')}")
    return {
        "id": number,
        "factorType": kind,
        "provider": provider,
        "vendorName": provider,
        "status": given.get("status", "ACTIVE"),
        "created": CREATED,
        "lastUpdated": CREATED,
        "_links": {"self": {"href": f"{url}/api/v1/users/{user_id(owner)}/factors/{number}"}},
    }


def app(name: str, url: str, *, has_policy: bool) -> dict[str, Any]:
    number = identifier("0oa", name)
    policy = {"accessPolicy": {"href": f"{url}/api/v1/policies/{policy_id(name)}"}}
    return {
        "id": number,
        "orn": f"orn:okta:idp:{identifier('00o', 'org')}:apps:{name}:{number}",
        "name": name,
        "label": APPS.get(name, name),
        "status": "ACTIVE",
        "lastUpdated": CREATED,
        "created": CREATED,
        "accessibility": {"selfService": False},
        "visibility": {
            "autoSubmitToolbar": False,
            "hide": {"iOS": False, "web": False},
            "appLinks": {"admin": True},
        },
        "features": [],
        "signOnMode": "OPENID_CONNECT",
        "_links": {
            **(policy if has_policy else {}),
            "users": {"href": f"{url}/api/v1/apps/{number}/users"},
        },
    }


def policy_id(app_name: str) -> str:
    return identifier("rst", app_name)


def rule(values: Mapping[str, Any], app_name: str, url: str) -> dict[str, Any]:
    """`factorMode` None: the rule asks for something that has no such mode, or denies."""
    number = identifier("rul", f"{app_name}/{values['name']}")
    mode = values.get("factorMode")
    method: dict[str, Any] = {"type": values.get("type", "ASSURANCE")}
    if mode is not None:
        method |= {"factorMode": mode, "reauthenticateIn": "PT2H"}
    access = values.get("access", "ALLOW")
    sign_on = {"access": access} | ({"verificationMethod": method} if access == "ALLOW" else {})
    return {
        "id": number,
        "status": values.get("status", "ACTIVE"),
        "name": values["name"],
        "priority": values["priority"],
        "created": CREATED,
        "lastUpdated": CREATED,
        "system": values["priority"] == 99,
        "conditions": {"network": {"connection": "ANYWHERE"}},
        "actions": {"appSignOn": sign_on},
        "type": "ACCESS_POLICY",
        "_links": {"self": {"href": f"{url}/api/v1/policies/{policy_id(app_name)}/rules/{number}"}},
    }
