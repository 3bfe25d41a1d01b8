-- SPDX-License-Identifier: MIT
-- mwjson: JSON text to Lua values and back (engine/script/convert.h).

local json = require "mwjson"

local function roundtrip(text)
	local value, message = json.decode(text)
	assert.is_nil(message)
	return json.encode(value)
end

local function keys(t)
	local list = {}
	for k in pairs(t) do
		list[#list + 1] = k
	end
	table.sort(list)
	return table.concat(list, " ")
end

describe("decode", function()
	it("gives Lua values", function()
		assert.are.same({ a = 1, b = { "x", true, false } }, json.decode '{"a":1,"b":["x",true,false]}')
		assert.are.equal("plain", json.decode '"plain"')
		assert.are.equal(-2.5, json.decode " -2.5 ")
		assert.are.equal(json.null, json.decode "null")
	end)

	it("shows only the real members in pairs", function()
		assert.are.equal("a b", keys(json.decode '{"b":1,"a":2}'))
		assert.are.equal("", keys(json.decode "{}"))
		assert.are.equal(2, #json.decode "[1,2]")
	end)

	it("keeps null apart from absent", function()
		local v = json.decode '{"a":null,"list":[null,1]}'
		assert.are.equal(json.null, v.a)
		assert.are.equal(json.null, v.list[1])
		assert.are.equal("null", tostring(json.null))
	end)

	it("undoes every escape", function()
		assert.are.equal('"\\/\b\f\n\r\tA', json.decode [["\"\\\/\b\f\n\r\t\u0041"]])
		assert.are.equal("\0x", json.decode [["\u0000x"]])
		assert.are.equal("\195\164\226\130\172", json.decode [["\u00e4\u20AC"]])
		assert.are.equal("\240\159\152\128", json.decode [["\ud83d\ude00"]])
	end)

	it("turns a lone surrogate into U+FFFD", function()
		local bad = "\239\191\189"
		assert.are.equal(bad .. "x", json.decode [["\ud83dx"]])
		assert.are.equal(bad, json.decode [["\ude00"]])
		assert.are.equal(bad .. bad, json.decode [["\ud83d\ud83d"]])
		assert.are.equal(bad .. "\n", json.decode [["\ud83d\n"]])
		assert.are.equal(bad .. "A", json.decode [["\ud83d\u0041"]])
	end)

	it("undoes escapes at every place of long strings", function()
		for n = 0, 70 do
			local run = ("x"):rep(n)
			assert.are.equal(run .. "\n" .. run .. "\195\164", json.decode('"' .. run .. "\\n" .. run .. '\\u00e4"'))
		end
	end)

	it("knows a name in escapes as the same name", function()
		assert.are.equal(1, json.decode([[{"mo\u0064el":1}]]).model)
		local value, message = json.decode [[{"model":1,"mo\u0064el":2}]]
		assert.is_nil(value)
		assert.matches("stands twice", message)
	end)

	it("raises for what is no string", function()
		assert.has_error(function()
			json.decode(nil)
		end)
	end)

	it("reads objects of very many members, and of very long names", function()
		local parts = {}
		for i = 1, 5000 do
			parts[i] = ('"name%d":%d'):format(i, i)
		end
		local text = "{" .. table.concat(parts, ",") .. "}"
		assert.are.equal(text, roundtrip(text))
		assert.are.equal(4711, json.decode(text).name4711)
		local long = ('{"%s":1,"b":2,"a":3}'):format(("n"):rep(500))
		assert.are.equal(long, roundtrip(long))
	end)

	it("reads arrays of very many items", function()
		local parts = {}
		for i = 1, 20000 do
			parts[i] = tostring(i)
		end
		local text = "[" .. table.concat(parts, ",") .. "]"
		assert.are.equal(text, roundtrip(text))
		assert.are.equal(20000, #json.decode(text))
	end)

	it("works on when very many different shapes have been seen", function()
		for i = 1, 3000 do
			local text = ('{"z%d":1,"a%d":{"k%d":[]}}'):format(i, i * 7, i * 13)
			assert.are.equal(text, roundtrip(text))
		end
	end)

	it("keeps what was decoded before the shapes were begun anew", function()
		local old = json.decode '{"zz":1,"aa":2}'
		for i = 1, 3000 do
			json.decode(('{"other%d":1}'):format(i))
		end
		assert.are.equal('{"zz":1,"aa":2}', json.encode(old))
		collectgarbage()
		assert.are.equal('{"zz":1,"aa":2}', roundtrip '{"zz":1,"aa":2}')
	end)

	it("nests 128 levels deep and no deeper", function()
		local function nested(n)
			return ("["):rep(n) .. ("]"):rep(n)
		end
		assert.are.equal(nested(128), roundtrip(nested(128)))
		local value, message = json.decode(nested(129))
		assert.is_nil(value)
		assert.matches("nested deeper than 128 levels", message)
		assert.matches("nested deeper", select(2, json.decode(("["):rep(1e6))))
		assert.matches("nested deeper", select(2, json.decode(('{"a":'):rep(1e6))))
	end)

	it("refuses an object of more than 65536 members", function()
		local parts = {}
		for i = 1, 65537 do
			parts[i] = ('"%d":0'):format(i)
		end
		local message = select(2, json.decode("{" .. table.concat(parts, ",") .. "}"))
		assert.matches("more than 65536 members", message)
	end)

	it("finds a name that stands twice wherever the two are", function()
		local parts = {}
		for i = 1, 300 do
			parts[i] = ('"m%d":0'):format(i)
		end
		for _, i in ipairs { 1, 2, 63, 64, 65, 299 } do
			local text = "{" .. table.concat(parts, ",") .. (',"m%d":1}'):format(i)
			local message = select(2, json.decode(text))
			assert.matches(("'m%d' stands twice"):format(i), message, 1, true)
		end
	end)
end)

describe("decode refuses", function()
	local cases = {
		{ "", "the text is empty" },
		{ "  \n ", "the text is empty" },
		{ "{", "ends inside an object" },
		{ '{"a"', "ends inside an object" },
		{ '{"a":', "ends where a value is expected" },
		{ '{"a":1', "ends inside an object" },
		{ "[", "ends where a value is expected" },
		{ "[1", "ends inside an array" },
		{ '"abc', "ends inside a string" },
		{ '"abc\\', "ends inside a string" },
		{ '"abc\\u12', "ends inside a string" },
		{ '"abc\195', "ends inside a string" },
		{ "NaN", "NaN is not JSON; use null or a number" },
		{ '{"a":-Infinity}', "Infinity is not JSON" },
		{ "[True]", "write true" },
		{ "[None]", "write null" },
		{ "[undefined]", "undefined is not JSON" },
		{ "{'a':1}", "single quotes" },
		{ "['a']", "single quotes" },
		{ "[1,]", "trailing comma before ']'" },
		{ '{"a":1,}', "trailing comma before '}'" },
		{ "[,1]", "',' stands where a value is expected" },
		{ "{,}", "',' stands where a member name" },
		{ "{a:1}", "without double quotes" },
		{ '{"a" 1}', "':' after the member name" },
		{ '{"a":1 "b":2}', "is a comma missing?" },
		{ "[1 2]", "is a comma missing?" },
		{ "[1}", "'}' stands where" },
		{ "{} {}", "behind the value" },
		{ "1 // one", "behind the value" },
		{ "[1 // one\n]", "no comments" },
		{ "/* */ 1", "no comments" },
		{ "01", "leading zero" },
		{ "-", "without a digit" },
		{ "1.", "without a digit" },
		{ "1e", "without a digit" },
		{ "+1", "cannot begin with '+'" },
		{ ".5", "write 0 before it" },
		{ "tru", "unquoted word" },
		{ "truex", "behind the value" },
		{ "hello", "unquoted word" },
		{ '"\\x41"', "\\x is no JSON escape" },
		{ '"\\u12g4"', "four hexadecimal digits" },
		{ '"a\nb"', "raw line end" },
		{ '"a\tb"', "raw tab" },
		{ '"a\1b"', "write \\u0001" },
		{ '"a\255b"', "invalid UTF-8 at byte 3" },
		{ '"\192\128"', "invalid UTF-8" },
		{ '"\237\160\128"', "invalid UTF-8" },
		{ '"\244\144\128\128"', "invalid UTF-8" },
		{ '"\226\130"', "invalid UTF-8" },
		{ "\239\187\191{}", "byte order mark" },
		{ '{"a":1,"a":2}', "'a' stands twice in one object" },
		{ "\226\128\156a\226\128\157", "typographic quotes" },
	}
	for _, case in ipairs(cases) do
		it(("%q: %s"):format(case[1], case[2]), function()
			local value, message = json.decode(case[1])
			assert.is_nil(value)
			assert.matches("^invalid JSON at line %d+, column %d+: ", message)
			assert.matches(case[2], message, 1, true)
		end)
	end

	it("and says line and column, in characters", function()
		assert.matches("line 3, column 8: ", select(2, json.decode '{\n"a": 1,\n "\195\164\195\164": +1}'))
		assert.matches("line 1, column 9: the text ends", select(2, json.decode '["\195\164\195\164",[1'))
	end)

	it("and never shows much of the text", function()
		local name = ("n"):rep(5000)
		local message = select(2, json.decode(('{"%s":1,"%s":2}'):format(name, name)))
		assert.matches("nnn%.%.%.' stands twice", message)
		assert.is_true(#message < 200)
	end)
end)

describe("numbers", function()
	for _, text in ipairs {
		"0", "1", "-1", "0.1", "0.7", "-12.5", "123456789012345", "9007199254740992", "-9007199254740992",
		"0.30000000000000004", "1.7976931348623157e+308", "5e-324", "3.141592653589793", "1e-07", "-0",
		-- beyond a double: kept as they were written
		"9007199254740993", "-9007199254740993", "12345678901234567890", "100000000000000000000",
		"0.1234567890123456789", "1e400", "-1e400", "1e-400", "1.00000000000000000001", "2.675000000000000001E5",
	} do
		it(text .. " survives verbatim", function()
			assert.are.equal(text, roundtrip(text))
			assert.are.equal("[" .. text .. "]", roundtrip("[" .. text .. "]"))
		end)
	end

	it("are written without a fraction when they are integers", function()
		assert.are.equal("[1,100,-0.5,1000000]", roundtrip "[1.0,1e2,-5e-1,1E+6]")
		assert.are.equal("1", json.encode(1.0))
		assert.are.equal("9007199254740992", json.encode(2 ^ 53))
		assert.are.equal("1e+20", json.encode(1e20))
	end)

	it("are written as short as reads back the same", function()
		assert.are.equal("0.1", json.encode(0.1))
		assert.are.equal("0.30000000000000004", json.encode(0.1 + 0.2))
		local seed = 42
		for _ = 1, 3000 do
			seed = (seed * 1103515245 + 12345) % 2 ^ 31
			local v = (seed - 2 ^ 30) / 2 ^ (seed % 60)
			local text = json.encode(v)
			assert.are.equal(v, tonumber(text))
			assert.is_true(#text <= #("%.17g"):format(v) + 5, text)
		end
	end)

	it("are Lua numbers wherever a double holds them", function()
		assert.are.equal("number", type(json.decode "0.30000000000000004"))
		assert.are.equal("number", type(json.decode "1700000000000000"))
		assert.are.equal("userdata", type(json.decode "12345678901234567890"))
		assert.are.equal("12345678901234567890", tostring(json.decode "12345678901234567890"))
		assert.are.equal(json.decode "12345678901234567890", json.decode "12345678901234567890")
		assert.are_not.equal(json.decode "12345678901234567890", json.decode "12345678901234567891")
	end)
end)

describe("encode", function()
	it("gives back the order of the members", function()
		for _, text in ipairs {
			'{"z":1,"a":{"y":2,"b":3},"m":[{"role":"x","content":"y"},{"content":"y","role":"x"}]}',
			"{}", "[]", '{"a":[],"b":{}}', "[[],{}]",
			'{"1":1,"__index":2,"":3}',
		} do
			assert.are.equal(text, roundtrip(text))
		end
	end)

	it("writes members that came later behind, sorted", function()
		local v = json.decode '{"m":1,"b":2,"z":3}'
		v.b = nil
		v.y, v.a = 4, 5
		assert.are.equal('{"m":1,"z":3,"a":5,"y":4}', json.encode(v))
		v.b = 6
		assert.are.equal('{"m":1,"b":6,"z":3,"a":5,"y":4}', json.encode(v))
	end)

	it("writes an object that lost all its members", function()
		local v = json.decode '{"a":1}'
		v.a = nil
		assert.are.equal("{}", json.encode(v))
		v.x = 1
		assert.are.equal('{"x":1}', json.encode(v))
	end)

	it("sorts the members of tables without an order", function()
		assert.are.equal('{"a":1,"b":{"x":1,"y":2},"c":3}', json.encode { c = 3, b = { y = 2, x = 1 }, a = 1 })
	end)

	it("takes a fixed order", function()
		local message = json.order { "role", "content" }
		local v = setmetatable({ content = "hi", role = "user", name = "n" }, message)
		assert.are.equal('{"role":"user","content":"hi","name":"n"}', json.encode(v))
		assert.has_error(function()
			json.order { "a", "a" }
		end)
		assert.has_error(function()
			json.order { 1 }
		end)
	end)

	it("knows arrays and objects apart, also empty ones", function()
		assert.are.equal("[]", json.encode(json.array()))
		assert.are.equal("[]", json.encode(json.array {}))
		assert.are.equal("{}", json.encode(json.object()))
		assert.are.equal("{}", json.encode {})
		assert.are.equal("[1,2]", json.encode { 1, 2 })
		assert.are.equal("{}", json.encode(json.object(json.decode "[]")))
		assert.is_true(json.is_array(json.decode "[]"))
		assert.is_true(json.is_array { 1 })
		assert.is_true(json.is_array(json.array()))
		assert.is_false(json.is_array {})
		assert.is_false(json.is_array(json.decode "{}"))
		assert.is_false(json.is_array(json.object { 1 }))
		assert.is_false(json.is_array "x")
	end)

	it("writes an array whose items were set in any order", function()
		local v = json.array {}
		for i = 50, 1, -1 do
			v[i] = i
		end
		local expected = {}
		for i = 1, 50 do
			expected[i] = i
		end
		assert.are.equal("[" .. table.concat(expected, ",") .. "]", json.encode(v))
	end)

	it("escapes what must be, and mends what is no UTF-8", function()
		assert.are.equal([["\"\\/\b\f\n\r\t\u0000\u001f]] .. "\127\195\164" .. '"', json.encode "\"\\/\b\f\n\r\t\0\31\127\195\164")
		assert.are.equal('"a\239\191\189b"', json.encode "a\255b")
		assert.are.equal('"\239\191\189\239\191\189"', json.encode "\226\130")
		for n = 0, 40 do
			local run = ("x"):rep(n)
			assert.are.equal('"' .. run .. '\\"' .. run .. '"', json.encode(run .. '"' .. run))
		end
		assert.are.equal([["say \"hi\""]], json.quote 'say "hi"')
		assert.are.equal('""', json.quote "")
	end)

	it("does not run metamethods", function()
		local v = setmetatable({ a = 1 }, {
			__index = function()
				error "called"
			end,
		})
		assert.are.equal('{"a":1}', json.encode(v))
	end)

	local function refuses(value, ...)
		local ok, message = pcall(json.encode, value)
		assert.is_false(ok)
		for _, words in ipairs { ... } do
			assert.matches(words, message, 1, true)
		end
	end

	it("refuses what has no JSON form, and says where it is", function()
		refuses({ messages = { { content = print } } }, "messages[1].content", "a function has no JSON form")
		refuses({ a = 0 / 0 }, "cannot write a as JSON", "NaN")
		refuses({ 1, { b = 1 / 0 } }, "[2].b", "infinity")
		refuses({ a = coroutine.create(print) }, "a thread has no JSON form")
		refuses({ a = io.stdout }, "a userdata has no JSON form")
		refuses(print, "the value")
		refuses({ 1, nil, 3 }, "holes")
		refuses({ 1, 2, a = 3 }, "items and other keys")
		refuses({ [0] = 1 }, "items and other keys")
		refuses({ [1.5] = 1 }, "items and other keys")
		refuses({ [-1] = 1 }, "items and other keys")
		refuses({ [true] = 1 }, "an object with a boolean as a key")
		refuses(setmetatable({ a = 1, [1] = 2 }, json.order { "a" }), "an object with a number as a key")
		refuses(setmetatable({ a = 1 }, getmetatable(json.array())), "items and other keys")
	end)

	it("refuses a table that holds itself, and what is nested too deep", function()
		local loop = { a = {} }
		loop.a.b = loop
		refuses(loop, "holds itself")
		local deep = {}
		local at = deep
		for _ = 1, 200 do
			at[1] = {}
			at = at[1]
		end
		refuses(deep, "nested deeper than 128 levels", "...")
	end)

	it("ends the text of tables that are shared over and over", function()
		local v = { ("x"):rep(1000) }
		for _ = 1, 40 do
			v = { v, v }
		end
		refuses(v, "too long")
		assert.are.equal("[1]", json.encode { 1 })
	end)

	it("writes a table twice that is there twice", function()
		local v = { 1 }
		assert.are.equal("[[1],[1]]", json.encode { v, v })
	end)

	it("works inside coroutines", function()
		local co = coroutine.wrap(function()
			coroutine.yield(json.encode(json.decode '{"b":[1,{"a":null}]}'))
		end)
		assert.are.equal('{"b":[1,{"a":null}]}', co())
	end)
end)
