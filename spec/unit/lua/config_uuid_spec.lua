local uuid = require("moongate.config.uuid")

describe("moongate.config.uuid", function()
  it("has SHA-1's known answers", function()
    assert.equal("da39a3ee5e6b4b0d3255bfef95601890afd80709", uuid.sha1(""))
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d", uuid.sha1("abc"))
    assert.equal(
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
      uuid.sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
    )
    assert.equal("34aa973cd4c4daa4f61eeb2bdbad27316534016f", uuid.sha1(("a"):rep(1000000)))
  end)

  it("tells kinds and names apart", function()
    assert.equal(uuid.of("routes", "a"), uuid.of("routes", "a"))
    assert.are_not.equal(uuid.of("routes", "a"), uuid.of("services", "a"))
    assert.are_not.equal(uuid.of("routes", "a"), uuid.of("routes", "b"))
  end)
end)
