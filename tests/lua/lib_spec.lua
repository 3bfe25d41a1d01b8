-- SPDX-License-Identifier: MIT
-- mwlib: small tools of the runtime (engine/script/lib.h).

local lib = require "mwlib"

describe("base64", function()
	it("encodes every length", function()
		assert.are.equal("", lib.base64_encode "")
		assert.are.equal("Zg==", lib.base64_encode "f")
		assert.are.equal("Zm8=", lib.base64_encode "fo")
		assert.are.equal("Zm9v", lib.base64_encode "foo")
		assert.are.equal("+/8A", lib.base64_encode "\251\255\0")
	end)

	it("decodes both alphabets, padded or not", function()
		for _, text in ipairs { "Zg==", "Zg", "Zg=" } do
			assert.are.equal(text ~= "Zg=" and "f" or nil, lib.base64_decode(text))
		end
		assert.are.equal("fo", lib.base64_decode "Zm8")
		assert.are.equal("\251\255\0", lib.base64_decode "+/8A")
		assert.are.equal("\251\255\0", lib.base64_decode "-_8A")
		assert.are.equal("", lib.base64_decode "")
	end)

	it("gives back what was encoded", function()
		local bytes = {}
		for i = 0, 255 do
			bytes[#bytes + 1] = string.char(i)
			local s = table.concat(bytes)
			assert.are.equal(s, lib.base64_decode(lib.base64_encode(s)))
		end
	end)

	it("is nil for what is no base64", function()
		for _, text in ipairs { "A", "AAAAA", "Zm9v\n", "Zm=v", "====", "=", "Zm9v====", "Zm9v=", "\255AAA" } do
			assert.is_nil(lib.base64_decode(text))
		end
	end)
end)

describe("floats", function()
	it("are little-endian float32", function()
		assert.are.equal("\0\0\128\63\0\0\0\192", lib.floats_encode { 1, -2 })
		assert.are.same({ 1, -2, 0.5 }, lib.floats_decode(lib.floats_encode { 1, -2, 0.5 }))
		assert.are.same({}, lib.floats_decode "")
	end)

	it("are nil when bytes are missing", function()
		assert.is_nil(lib.floats_decode "\0\0\0")
	end)

	it("say which item is no number", function()
		local ok, message = pcall(lib.floats_encode, { 1, "2" })
		assert.is_false(ok)
		assert.matches("item 2 is a string", message)
	end)
end)

describe("now and random_hex", function()
	it("give the time", function()
		assert.is_true(math.abs(lib.now() - os.time()) <= 1)
		assert.are.equal(lib.now(), math.floor(lib.now()))
	end)

	it("give digits that differ", function()
		for _, n in ipairs { 0, 1, 16, 17, 32, 1024 } do
			local id = lib.random_hex(n)
			assert.are.equal(n, #id)
			assert.matches("^[0-9a-f]*$", id)
		end
		assert.are_not.equal(lib.random_hex(32), lib.random_hex(32))
		assert.has_error(function()
			lib.random_hex(1025)
		end)
		assert.has_error(function()
			lib.random_hex(-1)
		end)
	end)
end)
