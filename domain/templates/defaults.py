"""The built-in templates: Alertmanager's names, so that what people wrote finds them; Tocsin's words and layouts.

Whoever is woken reads first what is wrong and where, then what to do, then the details.  A message shows ten alerts, an
e-mail a hundred; what is left out is counted.  Templates that begin with `__tocsin_` are helpers of these.
"""

from __future__ import annotations

_SHARED = """\
{{ define "__alertmanager" }}Tocsin{{ end }}
{{ define "__alertmanagerURL" }}{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | urlquery }}{{ end }}

{{ define "__subject" -}}
[{{ toUpper .Status }}
{{- if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ if .TruncatedAlerts }}+{{ end }}{{ end }}]
{{- range .GroupLabels.SortedPairs }} {{ .Value }}{{ end }}
{{- with .CommonLabels.Remove .GroupLabels.Names }} ({{ .SortedPairs }}){{ end }}
{{- end }}
{{ define "__description" }}{{ end }}

{{ define "__tocsin_what" -}}
{{ if .Annotations.summary }}{{ .Annotations.summary }}
{{- else if .Annotations.message }}{{ .Annotations.message }}
{{- else if .Labels.alertname }}{{ .Labels.alertname }}
{{- else }}Alert {{ .Fingerprint }}{{ end }}
{{- end }}

{{ define "__tocsin_when" -}}
{{ if eq .Status "firing" }}firing for {{ (since .StartsAt).Seconds | printf "%.0f" | humanizeDuration }}, since
{{- else }}resolved after {{ (.EndsAt.Sub .StartsAt).Seconds | printf "%.0f" | humanizeDuration }}, at
{{- end }} {{ if eq .Status "firing" }}{{ .StartsAt.UTC.Format "2006-01-02 15:04:05 MST" }}
{{- else }}{{ .EndsAt.UTC.Format "2006-01-02 15:04:05 MST" }}{{ end }}
{{- end }}

{{ define "__text_alert_list" }}{{ range . }}{{ template "__tocsin_what" . }}
  {{ template "__tocsin_when" . }}
{{- with .Annotations.description }}
  {{ . }}{{ end }}
{{- range .Labels.SortedPairs }}
  {{ .Name }}: {{ .Value }}{{ end }}
{{- range (.Annotations.Remove (stringSlice "summary" "message" "description")).SortedPairs }}
  {{ .Name }}: {{ .Value }}{{ end }}
{{- with .GeneratorURL }}
  Source: {{ . }}{{ end }}

{{ end }}{{ end }}

{{ define "__tocsin_plain" }}{{ . | reReplaceAll `\\]\\(` "]\u200b(" }}{{ end }}

{{ define "__tocsin_what_plain" -}}
{{ if .Annotations.summary }}{{ template "__tocsin_plain" .Annotations.summary }}
{{- else if .Annotations.message }}{{ template "__tocsin_plain" .Annotations.message }}
{{- else if .Labels.alertname }}{{ template "__tocsin_plain" .Labels.alertname }}
{{- else }}Alert {{ .Fingerprint }}{{ end }}
{{- end }}

{{ define "__text_alert_list_markdown" }}{{ range . }}**{{ template "__tocsin_what_plain" . }}**

{{ template "__tocsin_when" . }}
{{- with .Annotations.description }}

{{ template "__tocsin_plain" . }}{{ end }}
{{ range .Labels.SortedPairs }}
- {{ .Name }}: {{ template "__tocsin_plain" .Value }}{{ end }}
{{- range (.Annotations.Remove (stringSlice "summary" "message" "description")).SortedPairs }}
- {{ .Name }}: {{ template "__tocsin_plain" .Value }}{{ end }}
{{- with .GeneratorURL }}

[Source]({{ . }}){{ end }}

{{ end }}{{ end }}

{{ define "__tocsin_text" -}}
{{ with .Alerts.Firing }}{{ len . }} firing

{{ template "__text_alert_list" . }}{{ end }}
{{- with .Alerts.Resolved }}{{ len . }} resolved

{{ template "__text_alert_list" . }}{{ end }}
{{- if .TruncatedAlerts }}{{ .TruncatedAlerts }} more alerts are not shown.
{{ end }}
{{- end }}
"""

# Slack reads three characters as its own: https://api.slack.com/reference/surfaces/formatting#escaping
_SLACK = """\
{{ define "slack.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "slack.default.fallback" }}{{ template "slack.default.title" . }} {{ template "slack.default.titlelink" . -}}
{{ end }}
{{ define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "slack.default.callbackid" }}{{ end }}
{{ define "slack.default.pretext" }}{{ end }}
{{ define "slack.default.iconemoji" }}{{ end }}
{{ define "slack.default.iconurl" }}{{ end }}
{{ define "slack.default.footer" }}{{ end }}

{{ define "__tocsin_color" -}}
{{ if ne .Status "firing" }}good
{{- else if eq .CommonLabels.severity "warning" }}warning
{{- else if eq .CommonLabels.severity "info" "none" }}#439fe0
{{- else }}danger{{ end }}
{{- end }}
{{ define "slack.default.color" }}{{ template "__tocsin_color" . }}{{ end }}

{{ define "__tocsin_slack" }}{{ . | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;" -}}
{{ end }}
{{ define "__tocsin_slack_alert" -}}
{{ with .Alert.Annotations.summary }}*{{ template "__tocsin_slack" . }}*
{{- else }}*{{ with .Alert.Annotations.message }}{{ template "__tocsin_slack" . }}
{{- else }}{{ template "__tocsin_slack" $.Alert.Labels.alertname }}{{ end }}*{{ end }}
{{- range (.Alert.Labels.Remove .Common).SortedPairs }} `{{ template "__tocsin_slack" .Name }}=
{{- template "__tocsin_slack" .Value }}`{{ end }}
{{ with .Alert.Annotations.description }}{{ template "__tocsin_slack" . }}
{{ end }}_{{ template "__tocsin_when" .Alert }}_
{{- with .Alert.Annotations.runbook_url }} · <{{ template "__tocsin_slack" . }}|Runbook>{{ end }}
{{- with .Alert.Annotations.dashboard_url }} · <{{ template "__tocsin_slack" . }}|Dashboard>{{ end }}
{{- with .Alert.GeneratorURL }} · <{{ template "__tocsin_slack" . }}|Source>{{ end }}
{{ end }}

{{ define "slack.default.text" -}}
{{ $common := .CommonLabels.Names }}
{{- range $number, $alert := .Alerts.Firing }}{{ if lt $number 10 }}
{{- template "__tocsin_slack_alert" (dict "Alert" $alert "Common" $common) }}
{{ end }}{{ end }}
{{- if gt (len .Alerts.Firing) 10 }}… and {{ len (slice .Alerts.Firing 10) }} more firing
{{ end }}
{{- range $number, $alert := .Alerts.Resolved }}{{ if lt $number 10 }}
{{- template "__tocsin_slack_alert" (dict "Alert" $alert "Common" $common) }}
{{ end }}{{ end }}
{{- if gt (len .Alerts.Resolved) 10 }}… and {{ len (slice .Alerts.Resolved 10) }} more resolved
{{ end }}
{{- if .TruncatedAlerts }}… and {{ .TruncatedAlerts }} more that are not shown
{{ end }}
{{- end }}
"""

_TEAMS = """\
{{ define "__tocsin_markdown_alert" -}}
**{{ template "__tocsin_what" .Alert }}**
{{- range (.Alert.Labels.Remove .Common).SortedPairs }} `{{ .Name }}={{ .Value }}`{{ end }}
{{- with .Alert.Annotations.description }}

{{ . }}{{ end }}

{{ template "__tocsin_when" .Alert }}
{{- with .Alert.Annotations.runbook_url }} · [Runbook]({{ . }}){{ end }}
{{- with .Alert.Annotations.dashboard_url }} · [Dashboard]({{ . }}){{ end }}
{{- with .Alert.GeneratorURL }} · [Source]({{ . }}){{ end }}

{{ end }}

{{ define "__tocsin_markdown" -}}
{{ $common := .CommonLabels.Names }}
{{- range $number, $alert := .Alerts.Firing }}{{ if lt $number 10 }}
{{- template "__tocsin_markdown_alert" (dict "Alert" $alert "Common" $common) }}{{ end }}{{ end }}
{{- if gt (len .Alerts.Firing) 10 }}… and {{ len (slice .Alerts.Firing 10) }} more firing

{{ end }}
{{- range $number, $alert := .Alerts.Resolved }}{{ if lt $number 10 }}
{{- template "__tocsin_markdown_alert" (dict "Alert" $alert "Common" $common) }}{{ end }}{{ end }}
{{- if gt (len .Alerts.Resolved) 10 }}… and {{ len (slice .Alerts.Resolved 10) }} more resolved

{{ end }}
{{- if .TruncatedAlerts }}… and {{ .TruncatedAlerts }} more that are not shown
{{ end }}
{{- end }}

{{ define "msteams.default.summary" }}{{ template "__subject" . }}{{ end }}
{{ define "msteams.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "msteams.default.text" }}{{ template "__tocsin_markdown" . }}{{ end }}
{{ define "msteamsv2.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "msteamsv2.default.text" }}{{ template "__tocsin_markdown" . }}{{ end }}
"""

_PAGERDUTY = """\
{{ define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end }}
{{ define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}
"""

# No colour is set for text or background but where both are: so it reads in light and in dark.
_EMAIL = """\
{{ define "email.default.subject" }}{{ template "__subject" . }}{{ end }}

{{ define "__tocsin_html_alert" }}
<div style="margin: 0 0 20px; padding: 2px 0 2px 14px; border-left: 4px solid
 {{- if ne .Alert.Status "firing" }} #2e9e5b{{ else if eq .Alert.Labels.severity "warning" }} #d99100
 {{- else if eq .Alert.Labels.severity "info" "none" }} #439fe0{{ else }} #d33a2c{{ end }};">
<div style="font-size: 17px; font-weight: bold;">{{ template "__tocsin_what" .Alert }}</div>
<div style="font-size: 13px;">{{ template "__tocsin_when" .Alert }}</div>
{{ with .Alert.Annotations.description }}<div style="margin: 8px 0; white-space: pre-line;">{{ . }}</div>
{{ end -}}
<div style="margin: 8px 0;">
{{- with .Alert.Annotations.runbook_url }}<a href="{{ . }}">Runbook</a> &nbsp; {{ end }}
{{- with .Alert.Annotations.dashboard_url }}<a href="{{ . }}">Dashboard</a> &nbsp; {{ end }}
{{- with .Alert.GeneratorURL }}<a href="{{ . }}">Source</a>{{ end }}</div>
<table role="presentation" cellpadding="0" cellspacing="0" style="font-size: 13px; border-collapse: collapse;">
{{ range (.Alert.Labels.Remove .Common).SortedPairs -}}
<tr><td style="padding: 1px 12px 1px 0;">{{ .Name }}</td><td><b>{{ .Value }}</b></td></tr>
{{ end }}
{{- $told := stringSlice "summary" "message" "description" "runbook_url" "dashboard_url" }}
{{- range (.Alert.Annotations.Remove $told).SortedPairs -}}
<tr><td style="padding: 1px 12px 1px 0;">{{ .Name }}</td><td>{{ .Value }}</td></tr>
{{ end -}}
</table>
</div>
{{ end }}

{{ define "email.default.html" }}<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{ template "__subject" . }}</title>
</head>
<body style="margin: 0; padding: 0;">
<div style="max-width: 640px; margin: 0 auto; padding: 20px 14px; font-family: Helvetica, Arial, sans-serif;
 font-size: 15px; line-height: 1.45;">
<div style="padding: 10px 14px; border-radius: 4px; font-size: 18px; font-weight: bold; color: #ffffff;
 background-color:{{ if eq .Status "firing" }} #b3261e{{ else }} #1e7a45{{ end }};">{{ template "__subject" . }}</div>
<p><a href="{{ template "__alertmanagerURL" . }}">Open in {{ template "__alertmanager" . }}</a>
{{- with .AcknowledgeURL }} &nbsp; <a href="{{ . }}">Acknowledge</a>{{ end }}</p>
{{ with .CommonLabels -}}
<table role="presentation" cellpadding="0" cellspacing="0" style="margin: 0 0 20px; font-size: 13px;">
{{ range .SortedPairs -}}
<tr><td style="padding: 1px 12px 1px 0;">{{ .Name }}</td><td><b>{{ .Value }}</b></td></tr>
{{ end -}}
</table>
{{ end }}
{{- $common := .CommonLabels.Names }}
{{- with .Alerts.Firing -}}
<h2 style="font-size: 15px;">{{ len . }} firing</h2>
{{ range $number, $alert := . }}{{ if lt $number 100 }}
{{- template "__tocsin_html_alert" (dict "Alert" $alert "Common" $common) }}{{ end }}{{ end }}
{{- if gt (len .) 100 }}<p>… and {{ len (slice . 100) }} more firing</p>{{ end }}
{{- end }}
{{- with .Alerts.Resolved -}}
<h2 style="font-size: 15px;">{{ len . }} resolved</h2>
{{ range $number, $alert := . }}{{ if lt $number 100 }}
{{- template "__tocsin_html_alert" (dict "Alert" $alert "Common" $common) }}{{ end }}{{ end }}
{{- if gt (len .) 100 }}<p>… and {{ len (slice . 100) }} more resolved</p>{{ end }}
{{- end }}
{{- if .TruncatedAlerts }}<p>… and {{ .TruncatedAlerts }} more that are not shown</p>
{{ end -}}
</div>
</body>
</html>
{{ end }}
"""

# Receivers that Tocsin does not have: people's own templates may call these all the same.
_OTHERS = """\
{{ define "opsgenie.default.message" }}{{ template "__subject" . }}{{ end }}
{{ define "opsgenie.default.description" }}{{ template "__tocsin_text" . }}{{ end }}
{{ define "opsgenie.default.source" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "__tocsin_text" . }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "wechat.default.to_user" }}{{ end }}
{{ define "wechat.default.to_party" }}{{ end }}
{{ define "wechat.default.to_tag" }}{{ end }}
{{ define "wechat.default.agent_id" }}{{ end }}
{{ define "victorops.default.state_message" }}{{ template "__tocsin_text" . }}{{ end }}
{{ define "victorops.default.entity_display_name" }}{{ template "__subject" . }}{{ end }}
{{ define "victorops.default.monitoring_tool" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "pushover.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "pushover.default.message" }}{{ template "__tocsin_text" . }}{{ end }}
{{ define "pushover.default.url" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "sns.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "sns.default.message" }}{{ template "__tocsin_text" . }}{{ end }}
{{ define "telegram.default.message" }}{{ template "__tocsin_text" . }}{{ end }}
{{ define "discord.default.content" }}{{ end }}
{{ define "discord.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "discord.default.message" }}{{ template "__tocsin_markdown" . }}{{ end }}
{{ define "webex.default.message" }}{{ template "__tocsin_markdown" . }}{{ end }}
{{ define "jira.default.summary" }}{{ template "__subject" . }}{{ end }}
{{ define "jira.default.description" }}{{ template "__tocsin_markdown" . }}{{ end }}
{{ define "jira.default.priority" -}}
{{ if eq .CommonLabels.severity "critical" "page" }}High
{{- else if eq .CommonLabels.severity "warning" }}Medium
{{- else if eq .CommonLabels.severity "info" "none" }}Low{{ end }}
{{- end }}
{{ define "rocketchat.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "rocketchat.default.alias" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "rocketchat.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "rocketchat.default.emoji" }}{{ end }}
{{ define "rocketchat.default.iconurl" }}{{ end }}
{{ define "rocketchat.default.text" }}{{ template "__tocsin_markdown" . }}{{ end }}
{{ define "mattermost.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "mattermost.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "mattermost.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "mattermost.default.fallback" }}{{ template "__subject" . }} {{ template "__alertmanagerURL" . }}{{ end }}
{{ define "mattermost.default.color" }}{{ template "__tocsin_color" . }}{{ end }}
{{ define "mattermost.default.text" }}{{ template "__tocsin_markdown" . }}{{ end }}
{{ define "mattermost.default.iconurl" }}{{ end }}
{{ define "mattermost.default.iconemoji" }}{{ end }}
"""

DEFAULTS = _SHARED + _SLACK + _TEAMS + _PAGERDUTY + _EMAIL + _OTHERS
