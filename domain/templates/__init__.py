"""Templates: Alertmanager's notification templates, which are Go's `text/template` and `html/template`.

    templates = read_templates([("slack.tmpl", text)])
    title = templates.compile('{{ template "slack.default.title" . }}', name="receivers[0].slack_configs[0].title")
    title.render(template_data(notification, external_url), now)

**What is supported**: the whole syntax (trimming, comments, `if`, `else if`, `range` with `else`, `break` and
`continue`, `with`, `define`, `template`, `block`, variables, pipelines, parentheses, chains of fields), the functions
of Go and of Alertmanager 0.34, the data of Alertmanager 0.34 with their methods, most methods of Go's `time.Time` and
`time.Duration`, and Alertmanager's default templates by their names, in our own words (`defaults`).

**What is refused when it is read**, with name, line and column: unknown functions, templates, variables and fields;
wrong numbers and classes of arguments; patterns and time zones that there are not; in HTML, actions in scripts, style
sheets, names of tags and attributes.  `call`, complex numbers and hexadecimal floats are refused because nobody writes
them.

**What is contained**: a template reaches nothing but its data.  It has no attribute, file, network or clock to touch
(members are looked up in `values.MEMBERS`, the time is a parameter), and its output, steps and depth are bounded
(`Limits`).  In HTML every value is escaped for the place where it is printed; `safeHtml` and `safeUrl` opt out.

**Why not a library**: looked for in November 2026.  `go-template`, `py-go-template` and `cognihub-pygotemplate` wrap
compiled Go and are hardly kept up; `gotpl` is pure Python, three months old, and calls itself partial.  None checks a
template against the class of its data before an alert comes, which is what a page at night depends on.
"""

from domain.templates.data import template_data
from domain.templates.nodes import Limits, Place, TemplateError, TemplateLimitError
from domain.templates.template_set import Template, TemplateSet, read_templates
from domain.templates.values import Data

__all__ = [
    "Data",
    "Limits",
    "Place",
    "Template",
    "TemplateError",
    "TemplateLimitError",
    "TemplateSet",
    "read_templates",
    "template_data",
]
