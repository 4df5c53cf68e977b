--- How crawlers, scrapers and their tools name themselves in User-Agent, in any case. Two kinds: words that give such
--- programs away whoever wrote them, and names of those that say nothing of the kind.

-- The telephones of one maker are called CUBOT.
local WORDS = {
  "(?<!cu)bot(?:\\b|_)", "crawl", "spider", "scrap(?:er|y|ing)\\b", "archiver", "indexer", "slurp",
  "harvest", "fetcher\\b", "site-?checker", "link-?checker", "favicon", "headless",
}

local NAMES = {
  -- searching, previews, monitoring
  "mediapartners-google", "google-inspectiontool", "google-read-aloud", "google favicon", "feedfetcher-google",
  "google web preview", "/web/snippet", "bingpreview", "msiecrawler", "yahooseeker", "yandex(?:images|mobile|metrika)",
  "baidu(?:mobaider|gamer)", "teoma", "ask jeeves", "ia_archiver", "archive\\.org", "nutch", "heritrix", "larbin",
  "wotbox", "exabot-thumbnails", "daumoa", "yeti/", "qwantify", "facebookexternalhit", "facebookcatalog",
  "meta-external(?:agent|fetcher)", "pingdom", "uptimerobot", "statuscake",
  "gomezagent", "catchpoint", "httpmonitor", "siteimprove", "w3c_validator", "screaming frog", "netcraft",
  -- learning
  "anthropic-ai", "claude-web", "chatgpt-user", "cohere-ai", "omgili", "webzio", "imagesift", "timpi",
  -- copying whole sites, and the libraries that are sent for it
  "httrack", "webcopier", "webzip", "teleport pro", "offline explorer", "sitesucker", "xenu",
  "apache-httpclient", "google-http-java-client", "python-urllib", "libwww-perl", "lwp::simple", "winhttp", "jnlp/",
  "phantomjs", "slimerjs", "http(?:%20| )client",
  -- looking for holes
  "nikto", "sqlmap", "nmap scripting engine", "masscan", "zgrab", "zmeu", "nessus", "openvas", "acunetix", "netsparker",
  "wpscan", "dirbuster", "gobuster", "whatweb", "tlsprober", "web-sniffer", "morfeus", "jorgee",
}

return table.concat(WORDS, "|") .. "|" .. table.concat(NAMES, "|")
