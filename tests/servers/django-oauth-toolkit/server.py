"""django-oauth-toolkit as a person would set it up who has read RFC 9700: PKCE, refresh tokens that rotate, a grace
period for the one before, and the end of the whole family when an older one comes.
"""

import os
import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from jwcrypto import jwk
from serving import serve, tell

# The grace period, in seconds; what the account's definition calls `replay_window`.
GRACE = 30

SIGN_IN_PAGE = '<h1>Sign in</h1><form method="post">{% csrf_token %}{{ form }}<button>Sign in</button></form>'


def configure(directory):
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        SECRET_KEY=os.urandom(32).hex(),
        ROOT_URLCONF="__main__",
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(directory) / "server.db",
                # Requests that come at once wait for each other instead of failing.
                "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
            },
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"registration/login.html": SIGN_IN_PAGE}),
                        "django.template.loaders.app_directories.Loader",
                    ],
                },
            },
        ],
        OAUTH2_PROVIDER={
            "OAUTH2_VALIDATOR_CLASS": "__main__.Telling",
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": jwk.JWK.generate(kty="RSA", size=2048).export_to_pem(True, None).decode(),
            "OIDC_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["none"],
            "OIDC_RESPONSE_TYPES_SUPPORTED": ["code"],
            "SCOPES": {"openid": "who you are", "profile": "your name"},
            "PKCE_REQUIRED": True,
            "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
            "ROTATE_REFRESH_TOKEN": True,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": GRACE,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        },
        LOGGING_CONFIG=None,
    )
    django.setup()


with tempfile.TemporaryDirectory(prefix="tk-toolkit-") as directory:
    configure(directory)
    # They need the settings.
    from django.contrib.auth.models import User
    from django.contrib.auth.views import LoginView
    from oauth2_provider.models import Application, RefreshToken
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Telling(OAuth2Validator):
        """Tells what becomes of each refresh token that comes."""

        def validate_refresh_token(self, refresh_token, client, request, *args, **kwargs):
            came_before = RefreshToken.objects.filter(token=refresh_token, revoked__isnull=False).exists()
            is_good = super().validate_refresh_token(refresh_token, client, request, *args, **kwargs)
            if not is_good:
                tell(event="refresh_token.refused")
            elif came_before:
                tell(event="refresh_token.replayed")
            else:
                tell(event="refresh_token.consumed")
            return is_good

        def revoke_token(self, token, token_type_hint, request, *args, **kwargs):
            super().revoke_token(token, token_type_hint, request, *args, **kwargs)
            tell(event="token.revoked")

    urlpatterns = [
        path("accounts/login/", LoginView.as_view()),
        path("", include("oauth2_provider.urls")),
    ]

    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", password="any")
    Application.objects.create(
        client_id="desktop",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris="http://127.0.0.1/callback http://[::1]/callback",  # on any port: RFC 8252 section 7.3
        algorithm=Application.RS256_ALGORITHM,
        name="tokenkeeper",
    )
    serve(lambda issuer: get_wsgi_application())
