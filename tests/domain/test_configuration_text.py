import pytest

from domain.configuration.file import read_configuration
from domain.configuration.text import hide_secrets

WHOLE = """\
# the password is hunter2
global:
  resolve_timeout: 4m
  slack_api_url: https://hooks.slack.example/hunter2
  smtp_auth_password: hunter2
  opsgenie_api_url: https://opsgenie.example/
  telegram_bot_token: hunter2
  http_config:
    authorization: {credentials: hunter2}
    proxy_url: http://user:hunter2@proxy.example:3128
    proxy_connect_header: {X-Key: [hunter2]}
route:
  receiver: web
  routes:
    - match: {url: shown, password: shown}
      receiver: web
receivers:
  - name: web
    labels: {key: shown}
    webhook_configs:
      - url: &address "https://hooks.example/hunter2"
        http_config:
          basic_auth: {username: me, password: 'hunter2'}
          http_headers: {X-Key: {secrets: [hunter2], values: ["hunter2"]}}
          tls_config: {cert: shown, key: hunter2}
          proxy_url: http://proxy.example:3128
      - url: *address
        http_config:
          bearer_token: hunter2
      - url_file: /run/secrets/url
        http_config:
          oauth2: {client_id: me, client_secret: hunter2, token_url: "https://shown"}
"""


def test_no_secret_is_shown_and_all_else_is() -> None:
    shown = hide_secrets(WHOLE)
    assert "hunter2" not in shown
    assert shown.count("shown") == WHOLE.count("shown")
    for kept in ("4m", "https://opsgenie.example/", "username: me", "/run/secrets/url", "http://proxy.example:3128"):
        assert kept in shown


def test_what_is_shown_is_a_configuration_still() -> None:
    text = """\
route: {receiver: web, group_by: [a], routes: [{matchers: ['a=~"x|y"'], receiver: web, continue: yes}]}
receivers:
  - name: web
    webhook_configs: [{url: "https://hooks.example/hunter2", http_config: {authorization: {credentials: x}}}]
"""
    shown = read_configuration(hide_secrets(text))
    assert shown.root == read_configuration(text).root


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_nothing_is_shown_as_nothing(text: str) -> None:
    assert hide_secrets(text) == ""


def test_a_secret_that_is_not_set_stays_unset() -> None:
    assert "<secret>" not in hide_secrets("global: {slack_api_url: '', smtp_auth_password: null}")
