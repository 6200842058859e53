// Evaluates requests under service control policies: JSON in, JSON out.
//
// Input: { policies: { name: document }, requests: { name: request }, asked: { policy: [requests] } }, where a request is
// { principal, action, resource, account, context }. Output: { policy: { request: [denying statements] } }. FullAWSAccess
// is attached beside the policy, and the principal's own policy allows everything, so that only the policy can deny.
// The argument is the folder that has node_modules.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { runSimulation } = createRequire(`${process.argv[2]}/`)('@cloud-copilot/iam-simulate')

const everything = {
  Version: '2012-10-17',
  Statement: [{ Sid: 'Everything', Effect: 'Allow', Action: '*', Resource: '*' }]
}

async function denying(policy, request) {
  const { principal, action, resource, account, context } = request
  const response = await runSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: [{ name: 'everything', policy: everything }],
      serviceControlPolicies: [
        {
          orgIdentifier: 'account',
          policies: [
            { name: 'FullAWSAccess', policy: everything },
            { name: 'tested', policy }
          ]
        }
      ],
      resourceControlPolicies: []
    },
    // Strict: the request is complete, and a context key that is not in it is absent.
    { simulationMode: 'Strict' }
  )
  if (response.resultType !== 'single') throw new Error(JSON.stringify(response.errors ?? response.resultType))
  // Without a key that the simulator does not know for the action, it would evaluate another request.
  if (response.result.ignoredContextKeys.length > 0) {
    throw new Error(`${action} has no ${response.result.ignoredContextKeys}`)
  }
  const statements = response.result.analysis.scpAnalysis.ouAnalysis.flatMap((unit) => unit.denyStatements)
  const sids = statements.map((statement) => statement.statement.sid() ?? String(statement.statement.index()))
  const expected = sids.length > 0 ? 'ExplicitlyDenied' : 'Allowed'
  if (response.overallResult !== expected) throw new Error(`${response.overallResult} by ${sids}`)
  return sids
}

const { policies, requests, asked } = JSON.parse(readFileSync(0, 'utf8'))
const answers = {}
for (const [policy, names] of Object.entries(asked)) {
  answers[policy] = {}
  for (const name of names) {
    try {
      answers[policy][name] = await denying(policies[policy], requests[name])
    } catch (error) {
      throw new Error(`${name} under ${policy}: ${error.message}`)
    }
  }
}
process.stdout.write(JSON.stringify(answers))
