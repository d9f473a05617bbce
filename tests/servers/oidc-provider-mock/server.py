"""oidc-provider-mock as it comes: it knows every client and every person, and keeps a refresh token for ever."""

import os

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import oidc_provider_mock
from serving import serve

serve(lambda issuer: oidc_provider_mock.app())
