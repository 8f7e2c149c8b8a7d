// The ordinary jobs of fhir-kit-client (npm), run by test_fhir_kit.py: each step says its name when it is done.
import assert from 'node:assert/strict';
import { CapabilityTool, Client } from 'fhir-kit-client';

const client = new Client({ baseUrl: process.argv[2] });
const identifier = (value) => [{ system: 'urn:kit', value }];
const person = (value, more = {}) => ({ resourceType: 'Patient', identifier: identifier(value), ...more });
const statusOf = (resource) => Client.httpFor(resource).response.status;
const refusal = async (call) => {
  try {
    await call();
  } catch (error) {
    return error.response;
  }
  return assert.fail('nothing was refused');
};

const steps = {
  async capabilities() {
    const tool = new CapabilityTool(await client.capabilityStatement());
    assert.ok(tool.resourceCan('Patient', 'read'));
    assert.ok(tool.serverCan('transaction'));
    assert.ok(tool.resourceSearch('Patient', 'birthdate'));
  },
  async createAndRead() {
    const created = await client.create({ resourceType: 'Patient', body: person('one', { gender: 'female' }) });
    assert.equal(statusOf(created), 201);
    const read = await client.read({ resourceType: 'Patient', id: created.id });
    assert.deepEqual(read, created);
    assert.equal(Client.httpFor(read).response.headers.get('etag'), 'W/"1"');
    assert.deepEqual(await client.resolve({ reference: `Patient/${created.id}` }), created);
  },
  async createMinimal() {
    const options = { headers: { Prefer: 'return=minimal' } };
    const minimal = await client.create({ resourceType: 'Patient', body: person('two'), options });
    const { response } = Client.httpFor(minimal);
    assert.equal(response.status, 201);
    assert.match(response.headers.get('location'), /\/Patient\/[^/]+\/_history\/1$/);
  },
  async conditionalCreate() {
    const options = { headers: { 'If-None-Exist': 'identifier=urn:kit|one' } };
    assert.equal(statusOf(await client.create({ resourceType: 'Patient', body: person('one'), options })), 200);
  },
  async conditionalUpdate() {
    const searchParams = { identifier: 'urn:kit|one' };
    const body = person('one', { gender: 'other' });
    const updated = await client.update({ resourceType: 'Patient', searchParams, body });
    assert.equal(updated.meta.versionId, '2');
    const first = await client.vread({ resourceType: 'Patient', id: updated.id, version: '1' });
    assert.equal(first.gender, 'female');
  },
  async versionAwareUpdate() {
    const [{ resource }] = (await client.search({ resourceType: 'Patient', searchParams: { gender: 'other' } })).entry;
    const call = (version) => client.update({
      resourceType: 'Patient', id: resource.id, body: resource, options: { headers: { 'If-Match': `W/"${version}"` } },
    });
    assert.equal((await refusal(() => call(1))).status, 412);
    assert.equal((await call(2)).meta.versionId, '3');
  },
  async patch() {
    const searchParams = { identifier: 'urn:kit|one' };
    const [{ resource }] = (await client.search({ resourceType: 'Patient', searchParams })).entry;
    const jsonPatch = [{ op: 'add', path: '/birthDate', value: '1970-01-01' }];
    assert.equal((await client.patch({ resourceType: 'Patient', id: resource.id, jsonPatch })).birthDate, '1970-01-01');
  },
  async transactionAndCompartment() {
    const fullUrl = 'urn:uuid:0b8c6c1e-94a0-4d4b-9a4e-0c8f5a3d2e11';
    const observation = (text) => ({
      resource: { resourceType: 'Observation', status: 'final', code: { text }, subject: { reference: fullUrl } },
      request: { method: 'POST', url: 'Observation' },
    });
    const entry = [
      { fullUrl, resource: person('three'), request: { method: 'POST', url: 'Patient' } },
      observation('weight'), observation('height'),
    ];
    const answer = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } });
    assert.deepEqual(answer.entry.map(({ response }) => response.status.slice(0, 3)), ['201', '201', '201']);
    const [id] = answer.entry[0].response.location.split('/').slice(-3);
    const compartment = { resourceType: 'Patient', id };
    const found = await client.search({ resourceType: 'Observation', compartment, searchParams: { _total: 'accurate' } });
    assert.equal(found.total, 2);
    const input = { _type: 'Patient,Observation' };
    const everything = await client.operation({ name: 'everything', resourceType: 'Patient', id, method: 'GET', input });
    assert.equal(everything.entry.length, 3);
  },
  async batch() {
    const entry = ['Patient?identifier=urn:kit|three', 'Patient/nobody'].map((url) => ({ request: { method: 'GET', url } }));
    const answer = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry } });
    assert.deepEqual(answer.entry.map(({ response }) => response.status.slice(0, 3)), ['200', '404']);
  },
  async operation() {
    const input = { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: { resourceType: 'Patient', gender: 'x' } }] };
    const outcome = await client.operation({ name: '$validate', resourceType: 'Patient', input });
    assert.equal(outcome.issue[0].code, 'code-invalid');
  },
  async paging() {
    const entry = Array.from({ length: 12 }, (_, number) => ({
      resource: { resourceType: 'Organization', name: `Kit ${number}` }, request: { method: 'POST', url: 'Organization' },
    }));
    await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry } });
    for (const postSearch of [false, true]) {
      const names = [];
      const searchParams = { name: 'kit', _count: '5', _sort: 'name' };
      let bundle = await client.resourceSearch({ resourceType: 'Organization', searchParams, options: { postSearch } });
      while (bundle) {
        names.push(...bundle.entry.map(({ resource }) => resource.name));
        bundle = await client.nextPage({ bundle });
      }
      assert.equal(new Set(names).size, 12);
    }
    assert.equal((await client.systemSearch({ searchParams: { _type: 'Organization', _summary: 'count' } })).total, 12);
  },
  async historyAndDelete() {
    const created = await client.create({ resourceType: 'Basic', body: { resourceType: 'Basic', code: { text: 'x' } } });
    await client.delete({ resourceType: 'Basic', id: created.id });
    assert.equal((await refusal(() => client.read({ resourceType: 'Basic', id: created.id }))).status, 410);
    const methods = async (call) => (await call).entry.map(({ request }) => request.method);
    assert.deepEqual(await methods(client.resourceHistory({ resourceType: 'Basic', id: created.id })), ['DELETE', 'POST']);
    assert.deepEqual(await methods(client.typeHistory({ resourceType: 'Basic' })), ['DELETE', 'POST']);
    assert.ok((await methods(client.systemHistory())).includes('DELETE'));
  },
  async refusals() {
    const invalid = await refusal(() => client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', x: 1 } }));
    assert.equal(invalid.status, 422);
    assert.equal(invalid.data.resourceType, 'OperationOutcome');
    assert.equal((await refusal(() => client.read({ resourceType: 'Patient', id: 'nobody' }))).status, 404);
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(name);
}
