"""canaille as it comes, with registration open to everybody, and Ada."""

import os
from urllib.parse import urlsplit

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from serving import serve


def application_at(issuer):
    application = create_app({
        "SECRET_KEY": os.urandom(32).hex(),
        "SERVER_NAME": urlsplit(issuer).netloc,
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"LOGGING": None},
        "CANAILLE_SQL": None,
        "CANAILLE_OIDC": {"DYNAMIC_CLIENT_REGISTRATION_OPEN": True},
    })
    with application.app_context(), Backend.instance.session():
        Backend.instance.save(
            models.User(
                user_name="ada", formatted_name="Ada", family_name="Lovelace", emails=["ada@acme.example"], password="any"
            )
        )
    return application


serve(application_at)
