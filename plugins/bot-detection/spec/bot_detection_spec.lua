local gateway = require("moongate.spec")

local PEOPLE = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 7.0; CUBOT_MANITO Build/NRD90M) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus) AppleWebKit/537.36",
  "curl/7.88.1",
  "Go-http-client/2.0",
  "python-requests/2.31.0",
  "okhttp/4.12.0",
  "PostmanRuntime/7.39.0",
  "Dart/3.4 (dart:io)",
  "MyApp/1 CFNetwork/1494.0.7 Darwin/23.4.0",
  "x",
}

local BOTS = {
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  "AdsBot-Google (+http://www.google.com/adsbot.html)",
  "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
  "msnbot-media/1.1 (+http://search.msn.com/msnbot.htm)",
  "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
  "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
  "Twitterbot/1.0",
  "LinkedInBot/1.0",
  "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
  "facebookexternalhit/1.1",
  "Mediapartners-Google",
  "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
  "CCBot/2.0",
  "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
  "Bytespider",
  "anthropic-ai",
  "PerplexityBot/1.0",
  "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
  "Scrapy/2.11.1 (+https://scrapy.org)",
  "Nutch-1.4/Nutch-1.4",
  "Apache-HttpClient/4.5.14 (Java/17)",
  "Google-HTTP-Java-Client/1.17.0-rc (gzip)",
  "Python-urllib/3.11",
  "HTTrack Website Copier/3",
  "ia_archiver",
  "sqlmap/1.8",
  "Mozilla/5.00 (Nikto/2.5.0)",
  "SOMEBOT",
  "A web crawler",
  "my-scraper/0.1",
}

describe("bot-detection", function()
  local gw = gateway.new {
    config = [[
default_access: allow
routes:
  - { name: usual, paths: [/usual], plugins: [{ name: bot-detection }, { name: echo }] }
  - name: own
    paths: [/own]
    plugins: [{ name: bot-detection, config: { allow: ['^Googlebot/\d', both], deny: ['^curl/', both, '^(a+)+$'] } }, { name: echo }]
]],
  }

  local function status(path, agent) return gw:get(path, { headers = { ["User-Agent"] = agent } }).status end

  it("lets people and their programs pass", function()
    for _, agent in ipairs(PEOPLE) do
      assert.equal(200, status("/usual", agent), agent)
    end
  end)

  it("refuses those that say they crawl", function()
    for _, agent in ipairs(BOTS) do
      assert.equal(403, status("/usual", agent), agent)
    end
  end)

  it("lets who says nothing pass, and refuses who says two things", function()
    assert.equal(200, gw:get("/usual").status)
    local res = gw:get("/usual", { headers = { { "User-Agent", "curl/8" }, { "User-Agent", "Googlebot/2.1" } } })
    assert.equal(400, res.status)
  end)

  it("asks its own lists first, allow before deny", function()
    assert.equal(200, status("/own", "Googlebot/2.1"))
    assert.equal(403, status("/own", "bingbot/2.0"))
    assert.equal(403, status("/own", "curl/8"))
    assert.equal(200, status("/own", "both"))
    assert.equal(403, status("/own", "x Googlebot/2.1"))
  end)

  it("judges an agent that comes again as it did before", function()
    for _ = 1, 3 do
      assert.equal(403, status("/own", "bingbot/2.0"))
      assert.equal(200, status("/own", "Googlebot/2.1"))
      assert.equal(403, status("/usual", "Googlebot/2.1"))
    end
  end)

  it(
    "denies what would take too long to judge",
    function() assert.equal(403, status("/own", ("a"):rep(64) .. "!")) end
  )

  it("does not load with what is no regex", function()
    assert.error_matches(
      function() gateway.new { plugins = { { name = "bot-detection", config = { deny = { "a(b" } } } } } end,
      "deny%[0%].-is no regular expression: missing closing parenthesis"
    )
  end)
end)
