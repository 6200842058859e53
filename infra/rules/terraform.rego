# No plan of Terraform or OpenTofu creates an IAM user or a long-lived credential, activates one again, or shows its secret in an
# output. The input is what `terraform show -json PLAN` prints. README.md has the exemptions, and what these rules cannot see.
package credwarden.terraform

import rego.v1

credentials := {
	"aws_iam_access_key",
	"aws_iam_service_specific_credential",
	"aws_iam_signing_certificate",
	"aws_iam_user",
	"aws_iam_user_login_profile",
	"aws_iam_user_ssh_key",
	"awscc_iam_user",
}

secrets := concat("|", [
	`aws_iam_access_key\..+\.(encrypted_)?(secret|ses_smtp_password_v4)`,
	`aws_iam_user_login_profile\..+\.(encrypted_)?password`,
	`aws_iam_service_specific_credential\..+\.service_(password|credential_secret)`,
])

# Changes that wait for another apply are in `deferred_changes`.
changes contains change if some change in input.resource_changes

changes contains deferred.resource_change if some deferred in input.deferred_changes

# A state, or an incomplete file, has nothing to deny.
deny contains "the input is not a plan: run terraform show -json on the file of terraform plan -out" if not is_plan

is_plan if {
	is_object(input.planned_values)
	is_object(input.configuration)
}

deny contains message if {
	some change in changes
	change.type in credentials
	"create" in change.change.actions
	not exempt(change.address)
	message := sprintf("%s creates a user or a long-lived credential: use a role, or give the reason for an exemption", [change.address])
}

deny contains message if {
	some change in changes
	change.type in credentials
	change.change.before.status != "Active"
	becomes_active(change.change)
	not exempt(change.address)
	message := sprintf("%s activates a long-lived credential again: use a role, or give the reason for an exemption", [change.address])
}

becomes_active(change) if change.after.status == "Active"

# Known only when it is applied.
becomes_active(change) if change.after_unknown.status == true

deny contains message if {
	some output in outputs
	shows_secret(output.references)
	not exempt(output.address)
	message := sprintf("%s shows a secret, which the state and its readers keep: remove it, or give the reason for an exemption", [output.address])
}

# The outputs of all modules, because those of the root module may pass them on. The path of a module has a `module_calls`, a
# name and a `module` for each level.
outputs contains {"address": address, "references": references} if {
	walk(input.configuration.root_module, [path, module])
	some name, output in module.outputs
	modules := [sprintf("module.%s.", [part]) | some i; part := path[i]; i % 3 == 1]
	address := sprintf("%soutput.%s", [concat("", modules), name])
	references := {reference | walk(output.expression, [_, below]); some reference in below.references}
}

shows_secret(references) if {
	some reference in references
	regex.match(sprintf(`^(%s)\b`, [secrets]), reference)
}

# A reference without attribute is the whole resource or a splat of it; a reference with attribute has one without beside it.
shows_secret(references) if {
	some reference in references
	regex.match(`^aws_iam_(access_key|user_login_profile|service_specific_credential)\.[^.\[\]]+$`, reference)
	every other in references { not attribute_of(other, reference) }
}

attribute_of(other, reference) if startswith(other, sprintf("%s.", [reference]))

attribute_of(other, reference) if {
	startswith(other, sprintf("%s[", [reference]))
	contains(other, "].")
}

# The addresses are exact. A reason has at least two words: true, `-` and blanks are none.
exempt(address) if {
	reason := data.exempt[address]
	is_string(reason)
	regex.match(`[\pL\pN]\S*\s+\S*[\pL\pN]`, reason)
}
