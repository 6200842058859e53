// Evaluates who may assume a role: JSON in, JSON out.
//
// Input: { policies: { name: trust policy }, requests: { name: request } }, where a request is { principal, resource, account,
// context }. Output: { policy: [requests that are allowed] }. The caller's own policy allows everything, so that only the trust
// policy can refuse. The argument is the folder that has node_modules.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { runSimulation } = createRequire(`${process.argv[2]}/`)('@cloud-copilot/iam-simulate')

const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }

async function allowed(policy, { principal, resource, account, context }) {
  const response = await runSimulation(
    {
      request: { principal, action: 'sts:AssumeRole', resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: [{ name: 'everything', policy: everything }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: policy
    },
    // Strict: the request is complete, and a context key that is not in it is absent.
    { simulationMode: 'Strict' }
  )
  if (response.resultType !== 'single') throw new Error(JSON.stringify(response.errors ?? response.resultType))
  if (response.result.ignoredContextKeys.length > 0) throw new Error(`no keys ${response.result.ignoredContextKeys}`)
  return response.overallResult === 'Allowed'
}

const { policies, requests } = JSON.parse(readFileSync(0, 'utf8'))
const answers = {}
for (const [name, policy] of Object.entries(policies)) {
  answers[name] = []
  for (const [caller, request] of Object.entries(requests)) {
    try {
      if (await allowed(policy, request)) answers[name].push(caller)
    } catch (error) {
      throw new Error(`${caller} under ${name}: ${error.message}`)
    }
  }
}
process.stdout.write(JSON.stringify(answers))
