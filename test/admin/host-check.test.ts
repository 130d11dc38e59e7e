import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createHostCheck, hostName } from "../../src/admin/host-check.ts";

describe("the check of the Host header", () => {
  for (const bound of ["127.0.0.1", "127.1.2.3", "::1", "localhost", "admin.internal"]) {
    it(`bound to ${bound}, passes IP addresses, localhost and that name, and nothing that starts or ends like them`, () => {
      const isAllowed = createHostCheck(bound);
      for (const host of ["127.0.0.1:9502", "[::1]:9502", "[::1]", "localhost", "LocalHost:80"])
        assert.equal(isAllowed(host), true, host);
      if (bound !== "::1") assert.equal(isAllowed(`${bound}:9502`), true);
      for (const host of [
        "",
        ":9502",
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "a@127.0.0.1",
        "[::1]x",
      ])
        assert.equal(isAllowed(host), false, host);
    });
  }

  for (const bound of ["0.0.0.0", "::", "10.1.2.3"]) {
    it(`bound to ${bound}, which other machines reach, passes every name`, () => {
      assert.equal(createHostCheck(bound)("tidegate.svc:9502"), true);
    });
  }
});

describe("the name in a Host header", () => {
  it("is in lower case, without the port, an IPv6 address in its brackets", () => {
    const headers = ["A.example:1", "a.example", "[::1]:9502", "[::1]"];
    assert.deepEqual(headers.map(hostName), ["a.example", "a.example", "[::1]", "[::1]"]);
  });
});
