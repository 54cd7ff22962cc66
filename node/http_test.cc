// HTTP end to end in the simulated world: requests and complete replies.
#include <cstdio>

#include "gtest/gtest.h"
#include "kv/slots/keyed_hash.h"
#include "node/base/text.h"
#include "node/connections/metrics.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

std::string Request(std::string_view method, std::string_view target,
                    std::string_view body = "", std::string_view headers = "",
                    std::string_view host = "localhost") {
  return Concat(method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n",
                headers, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

std::string StatusLine(const std::string& reply) {
  return reply.substr(0, reply.find('\r'));
}

std::string Body(const std::string& reply) {
  const size_t end = reply.find("\r\n\r\n");
  return end == std::string::npos ? "" : reply.substr(end + 4);
}

std::string Header(const std::string& reply, std::string_view name) {
  const size_t at = reply.find(Concat("\r\n", name, ": "));
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 4;
  return reply.substr(begin, reply.find('\r', begin) - begin);
}

void PlainWrites(Config& config) { config.http_get_writes = true; }

class HttpTest : public ::testing::Test {
 protected:
  HttpTest() : cluster_({.nodes = 3, .groups = 3, .adjust = PlainWrites}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    cluster_.world().RunFor(Seconds(5));
    client_ = cluster_.ConnectHttp(0);
  }

  std::string Call(std::string_view method, std::string_view target,
                   std::string_view body = "", std::string_view headers = "") {
    return cluster_.CallHttp(*client_, Request(method, target, body, headers));
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
};

TEST_F(HttpTest, Values_AreRawBytesUnderAnyKey) {
  const std::string value("a\0\r\n\xff", 5);
  for (const std::string_view key : {"a", "b%20c%2Fd", "%00%ff", "e/f"}) {
    const std::string target = Concat("/v1/kv/", key);
    const std::string put = Call("PUT", target, value);
    EXPECT_EQ(StatusLine(put), "HTTP/1.1 200 OK");
    const std::string get = Call("GET", target);
    EXPECT_EQ(StatusLine(get), "HTTP/1.1 200 OK");
    EXPECT_EQ(Body(get), value);
    EXPECT_EQ(Header(get, "Content-Type"), "application/octet-stream");
    EXPECT_EQ(Header(get, "X-Quorate-Version"),
              Header(put, "X-Quorate-Version"));
    EXPECT_EQ(Body(Call("DELETE", target)), "{\"deleted\":true}\n");
    EXPECT_EQ(Body(Call("DELETE", target)), "{\"deleted\":false}\n");
    EXPECT_EQ(StatusLine(Call("GET", target)), "HTTP/1.1 404 Not Found");
  }
}

TEST_F(HttpTest, AnyNode_ReadsAndWrites) {
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster_.ConnectHttp(node);
    for (const std::string_view key : {"foo", "bar", "hello"}) {
      const std::string target = Concat("/v1/kv/", key);
      const std::string value = Concat("v", node);
      EXPECT_EQ(
          StatusLine(cluster_.CallHttp(*client, Request("PUT", target, value))),
          "HTTP/1.1 200 OK");
      for (size_t reader = 0; reader < 3; ++reader) {
        auto other = cluster_.ConnectHttp(reader);
        EXPECT_EQ(Body(cluster_.CallHttp(*other, Request("GET", target))),
                  value);
      }
    }
  }
}

TEST_F(HttpTest, CompareAndSwap_ChangesOnlyTheVersionSeen) {
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/c?cas=0", "1")), "HTTP/1.1 200 OK");
  const std::string again = Call("PUT", "/v1/kv/c?cas=0", "2");
  EXPECT_EQ(StatusLine(again), "HTTP/1.1 412 Precondition Failed");
  EXPECT_NE(Body(again).find("\"code\":\"CONDITION_FAILED\""),
            std::string::npos);
  const std::string version =
      Header(Call("GET", "/v1/kv/c"), "X-Quorate-Version");
  EXPECT_EQ(Header(again, "X-Quorate-Version"), version);
  EXPECT_EQ(StatusLine(Call("PUT", Concat("/v1/kv/c?cas=", version), "3")),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(StatusLine(Call("DELETE", Concat("/v1/kv/c?cas=", version))),
            "HTTP/1.1 412 Precondition Failed");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/c")), "3");
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/c?nx", "4")),
            "HTTP/1.1 412 Precondition Failed");
}

TEST_F(HttpTest, Ttl_EndsTheKey) {
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/t?ttl=1500ms", "1")),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/t")), "1");
  cluster_.world().RunFor(Seconds(2));
  EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/t")), "HTTP/1.1 404 Not Found");
}

TEST_F(HttpTest, IdempotencyKey_RepeatedRequestRunsOnce) {
  const std::string key = "Idempotency-Key: order-17\r\n";
  const std::string first = Call("PUT", "/v1/kv/i", "1", key);
  EXPECT_EQ(StatusLine(first), "HTTP/1.1 200 OK");
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/i", "2")), "HTTP/1.1 200 OK");
  const std::string second = Call("PUT", "/v1/kv/i", "1", key);
  EXPECT_EQ(Body(second), Body(first));
  EXPECT_EQ(Header(second, "X-Quorate-Duplicate"), "true");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/i")), "2");
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/i", "3", key)),
            "HTTP/1.1 422 Unprocessable Entity");
}

// All nodes hash an Idempotency-Key alike, with a key that clients do not know.
TEST_F(HttpTest, IdempotencyKey_IsOneSessionOnAllNodesAndCannotBeComputed) {
  const std::string text = "order-18";
  const std::string header = Concat("Idempotency-Key: ", text, "\r\n");
  auto stranger = cluster_.ConnectResp(0);
  const std::string token =
      cluster_.Command(*stranger, {"QUORATE.SESSION"}).substr(5);
  constexpr uint64_t kMark = uint64_t{1} << 63;
  const uint64_t guess =
      (kv::KeyedHash(cluster_.config(0).cluster.value(), text) | 1) & ~kMark;
  const auto try_guess = [&](uint64_t client) {
    char hex[17];
    std::snprintf(hex, sizeof(hex), "%016llx",
                  static_cast<unsigned long long>(client));
    const std::string guessed =
        Concat(hex, token.substr(16, token.find('\r') - 16));
    return cluster_.Command(
        *stranger, {"QUORATE.DO", guessed, "1", "1", "SET", "{k}other", "x"});
  };
  EXPECT_EQ(try_guess(guess), "+OK\r\n");
  // Clients have no sessions of Idempotency-Keys.
  EXPECT_EQ(try_guess(guess | kMark),
            "-ERR not a session: use QUORATE.SESSION\r\n");
  const std::string first = Call("PUT", "/v1/kv/k", "1", header);
  EXPECT_EQ(StatusLine(first), "HTTP/1.1 200 OK");
  EXPECT_EQ(Header(first, "X-Quorate-Duplicate"), "");
  for (const size_t node : {1, 2}) {
    auto other = cluster_.ConnectHttp(node);
    const std::string again =
        cluster_.CallHttp(*other, Request("PUT", "/v1/kv/k", "1", header));
    EXPECT_EQ(Body(again), Body(first));
    EXPECT_EQ(Header(again, "X-Quorate-Duplicate"), "true");
  }
}

TEST_F(HttpTest, PlainWrites_OfWebPages_AreRefused) {
  for (const std::string_view header :
       {"Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: same-site\r\nReferer: http://h/\r\n",
        "Origin: http://evil.example\r\n", "Origin: null\r\n",
        "Referer: http://evil.example/page\r\n"}) {
    const std::string reply = Call("GET", "/set?key=page&value=1", "", header);
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 403 Forbidden") << header;
    EXPECT_NE(reply.find("FROM_A_WEB_PAGE"), std::string::npos);
    EXPECT_EQ(StatusLine(Call("GET", "/get?key=page", "", header)),
              "HTTP/1.1 404 Not Found");
  }
  // The address bar.
  EXPECT_EQ(StatusLine(Call("GET", "/set?key=page&value=1", "",
                            "Sec-Fetch-Site: none\r\n")),
            "HTTP/1.1 200 OK");
}

// Browsers say nothing about the page if it came without TLS and wants no
// referrer, and any name can be made to lead here.
TEST_F(HttpTest, PlainWrites_ToNamesThatPagesChoose_AreRefused) {
  for (const std::string_view host :
       {"evil.example", "evil.example:8001", "localhost.evil.example",
        "127.0.0.1.evil.example:8001", "1.example"}) {
    const std::string reply = cluster_.CallHttp(
        *client_, Request("GET", "/set?key=name&value=1", "", "", host));
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 403 Forbidden") << host;
    EXPECT_NE(reply.find("FROM_A_WEB_PAGE"), std::string::npos);
    EXPECT_EQ(StatusLine(Call("GET", "/get?key=name")),
              "HTTP/1.1 404 Not Found");
  }
  for (const std::string_view host : {"LocalHost:8001", "127.0.0.1:8001",
                                      "127.0.0.1", "[::1]:8001", "[::1]"}) {
    EXPECT_EQ(
        StatusLine(cluster_.CallHttp(
            *client_, Request("GET", "/set?key=name&value=1", "", "", host))),
        "HTTP/1.1 200 OK")
        << host;
  }
}

TEST_F(HttpTest, PlainRoutes_SetAndGet) {
  EXPECT_EQ(Body(Call("GET", "/set?key=key-b&value=a+b%26c")), "OK\n");
  EXPECT_EQ(Body(Call("GET", "/get?key=key-b")), "a b&c");
  EXPECT_EQ(StatusLine(Call("GET", "/get?key=none")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(StatusLine(Call("GET", "/get")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(StatusLine(Call("GET", "/set?key=a")), "HTTP/1.1 400 Bad Request");
}

TEST_F(HttpTest, BadRequests_AreNamed) {
  struct Row {
    std::string method;
    std::string target;
    std::string status;
    std::string code;
  };
  const Row rows[] = {
      {"GET", "/nothing", "404 Not Found", "NO_SUCH_ROUTE"},
      {"POST", "/v1/kv/a", "405 Method Not Allowed", "METHOD_NOT_ALLOWED"},
      {"PUT", "/metrics", "405 Method Not Allowed", "METHOD_NOT_ALLOWED"},
      {"GET", "/v1/kv/", "400 Bad Request", "BAD_KEY"},
      {"GET", "/v1/kv/%zz", "400 Bad Request", "BAD_REQUEST"},
      {"PUT", "/v1/kv/a#b", "400 Bad Request", "BAD_REQUEST"},
      {"PUT", "/v1/kv/a?ttl=1h#b", "400 Bad Request", "BAD_REQUEST"},
      {"GET", "/v1/kv/a?consistency=maybe", "400 Bad Request",
       "BAD_CONSISTENCY"},
      {"PUT", "/v1/kv/a?cas=x", "400 Bad Request", "BAD_CAS"},
      {"PUT", "/v1/kv/a?ttl=0", "400 Bad Request", "BAD_TTL"},
      {"PUT", "/v1/kv/a?ttl=5y", "400 Bad Request", "BAD_TTL"},
      {"PUT", "/v1/kv/a?cas=01.4.0", "400 Bad Request", "BAD_CAS"},
      {"PUT", "/v1/kv/a?cas=1.0.0", "400 Bad Request", "BAD_CAS"},
      {"PUT", "/v1/kv/a?cas", "400 Bad Request", "BAD_CAS"},
      {"PUT", "/v1/kv/a?ttl", "400 Bad Request", "BAD_TTL"},
      {"GET", "/v1/kv/a?consistency", "400 Bad Request", "BAD_CONSISTENCY"},
      {"GET", "/v1/kv/a?consistency=Stale", "400 Bad Request",
       "BAD_CONSISTENCY"},
  };
  for (const Row& row : rows) {
    const std::string reply = Call(row.method, row.target);
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 " + row.status) << row.target;
    EXPECT_NE(reply.find(Concat("{\"error\":{\"code\":\"", row.code, "\"")),
              std::string::npos)
        << reply;
  }
  // The connection stayed open.
  EXPECT_EQ(Body(Call("GET", "/livez")), "ok\n");
}

// Ignored, each of them would be an unconditional write, or another read than
// the client asked for.
TEST_F(HttpTest, ParametersThatARouteDoesNotKnow_AreRefused) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"PUT", "/v1/kv/u?CAS=0"},
      {"PUT", "/v1/kv/u?Nx"},
      {"PUT", "/v1/kv/u?TTL=5"},
      {"PUT", "/v1/kv/u?nonsense=1"},
      {"PUT", "/v1/kv/u?consistency=eventual"},
      {"PUT", "/v1/kv/u?nx=0"},
      {"PUT", "/v1/kv/u?ttl=1&ttl=1"},
      {"PUT", "/v1/kv/u?cas=0&cas=0"},
      {"DELETE", "/v1/kv/u?nx"},
      {"DELETE", "/v1/kv/u?ttl=5s"},
      {"GET", "/v1/kv/u?consitency=stale"},
      {"HEAD", "/v1/kv/u?cas=0"},
      {"GET", "/set?key=u&value=1&ttl=1"},
      {"GET", "/set?key=u&value=1&value=2"},
      {"GET", "/get?key=u&Consistency=stale"},
      {"GET", "/?a"},
      {"GET", "/livez?verbose"},
      {"GET", "/readyz?verbos"},
      {"GET", "/metrics?name=x"},
  };
  for (const auto& [method, target] : rows) {
    const std::string reply = Call(method, target, "1");
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 400 Bad Request") << target;
    if (method == "HEAD") continue;
    EXPECT_NE(Body(reply).find("\"code\":\"BAD_PARAMETER\""), std::string::npos)
        << reply;
  }
  EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/u")), "HTTP/1.1 404 Not Found");
  EXPECT_NE(Body(Call("PUT", "/v1/kv/u?CAS=0"))
                .find("unknown parameter 'CAS'; PUT /v1/kv/KEY takes cas, nx, "
                      "redirect and ttl"),
            std::string::npos);
}

TEST_F(HttpTest, HeadersAndBodies_ThatARouteDoesNotTake_AreRefused) {
  const std::tuple<std::string_view, std::string_view, std::string_view,
                   std::string_view, std::string_view>
      rows[] = {
          {"GET", "/v1/kv/h", "Idempotency-Key: a\r\n", "", "400"},
          {"GET", "/get?key=h", "Idempotency-Key: a\r\n", "", "400"},
          {"GET", "/set?key=h&value=1", "Idempotency-Key: a\r\n", "", "400"},
          {"GET", "/metrics", "Quorate-Operation: a\r\n", "", "400"},
          {"PUT", "/v1/kv/h", "Quorate-Operation: a\r\n", "1", "400"},
          {"GET", "/v1/kv/h", "", "1", "400"},
          {"DELETE", "/v1/kv/h", "", "1", "400"},
          {"GET", "/set?key=h&value=1", "", "1", "400"},
          {"GET", "/livez", "If-Match: *\r\n", "", "400"},
          {"PUT", "/v1/kv/h", "Content-Encoding: gzip\r\n", "1", "415"},
          {"PUT", "/v1/kv/h", "Expect: 200-ok\r\n", "1", "417"},
      };
  for (const auto& [method, target, headers, body, status] : rows) {
    client_ = cluster_.ConnectHttp(0);
    const std::string reply = Call(method, target, body, headers);
    EXPECT_TRUE(reply.starts_with(Concat("HTTP/1.1 ", status)))
        << method << target << headers << reply;
  }
  client_ = cluster_.ConnectHttp(0);
  EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/h")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(StatusLine(
                Call("PUT", "/v1/kv/h", "1", "Content-Encoding: identity\r\n")),
            "HTTP/1.1 200 OK");
}

std::string Line(std::string_view name, std::string_view value) {
  return Concat(name, ": ", value, "\r\n");
}

TEST_F(HttpTest, EntityTag_IsTheVersionOfTheValue) {
  const std::string put = Call("PUT", "/v1/kv/e", "1");
  const std::string version = Header(put, "X-Quorate-Version");
  const std::string tag = Concat("\"", version, "\"");
  EXPECT_EQ(Header(put, "ETag"), tag);
  for (const auto& [method, target] :
       std::vector<std::pair<std::string_view, std::string_view>>{
           {"GET", "/v1/kv/e"},
           {"HEAD", "/v1/kv/e"},
           {"GET", "/v1/kv/e?consistency=eventual"},
           {"GET", "/get?key=e"}}) {
    cluster_.world().RunFor(Seconds(1));
    EXPECT_EQ(Header(Call(method, target), "ETag"), tag) << target;
  }
  const std::string failed = Call("PUT", "/v1/kv/e?nx", "2");
  EXPECT_EQ(StatusLine(failed), "HTTP/1.1 412 Precondition Failed");
  EXPECT_EQ(Header(failed, "ETag"), tag);
  // These replies are not about a value that is there now.
  EXPECT_EQ(Header(Call("GET", "/set?key=e&value=2"), "ETag"), "");
  EXPECT_EQ(Header(Call("DELETE", "/v1/kv/e"), "ETag"), "");
  EXPECT_EQ(Header(Call("GET", "/v1/kv/e"), "ETag"), "");
}

// RFC 9110 13.1. Each row is for a key that exists. With an absent key the
// conditions make no difference.
TEST_F(HttpTest, ConditionsOfReads_FollowRfc9110) {
  const std::string former = Header(Call("PUT", "/v1/kv/c", "0"), "ETag");
  const std::string present = Header(Call("PUT", "/v1/kv/c", "1"), "ETag");
  const std::string weak = Concat("W/", present);
  struct Row {
    std::string headers;
    int status;
  };
  const Row rows[] = {
      {Line("If-Match", present), 200},
      {Line("If-Match", "*"), 200},
      {Line("If-Match", former), 412},
      {Line("If-Match", weak), 412},
      {Line("If-Match", Concat(former, ", ", present)), 200},
      {Line("If-Match", former) + Line("If-Match", present), 200},
      {Line("If-None-Match", present), 304},
      {Line("If-None-Match", weak), 304},
      {Line("If-None-Match", "*"), 304},
      {Line("If-None-Match", former), 200},
      {Line("If-None-Match", "\"other\""), 200},
      {Line("If-None-Match", Concat(former, ",", present)), 304},
      {Line("If-Match", present) + Line("If-None-Match", present), 304},
      {Line("If-Match", former) + Line("If-None-Match", present), 412},
      {Line("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 400},
      {Line("If-None-Match", former) + Line("If-Modified-Since", "x"), 200},
      {Line("Range", "bytes=0-0"), 400},
      {Line("Range", "bytes=0-0") + Line("If-Range", present), 400},
      {Line("If-Range", present), 400},
      {Line("If-Matches", present), 400},
      {Line("Content-Range", "bytes 0-0/1"), 400},
      {Line("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 400},
      {Line("If-Match", present) + Line("If-Unmodified-Since", "x"), 200},
      {Line("If-Match", "1.4.0"), 400},
      {Line("If-None-Match", ""), 400},
  };
  for (const Row& row : rows) {
    for (const std::string_view target :
         {"/v1/kv/c", "/v1/kv/c?consistency=eventual", "/get?key=c"}) {
      for (const std::string_view method : {"GET", "HEAD"}) {
        if (method == "HEAD" && target == "/get?key=c") continue;
        const std::string reply = Call(method, target, "", row.headers);
        EXPECT_TRUE(reply.starts_with(Concat("HTTP/1.1 ", row.status, " ")))
            << method << " " << target << " " << row.headers << reply;
        if (row.status == 400) continue;
        EXPECT_EQ(Header(reply, "ETag"), present);
        if (row.status == 200 && method == "GET") {
          EXPECT_EQ(Body(reply), "1");
        }
        if (row.status != 304) continue;
        EXPECT_EQ(Body(reply), "");
        EXPECT_EQ(reply.find("Content-"), std::string::npos) << reply;
      }
    }
    // Without the condition the reply is 404, so RFC 9110 13.2.1 ignores it.
    EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/none", "", row.headers)),
              row.status == 400 ? "HTTP/1.1 400 Bad Request"
                                : "HTTP/1.1 404 Not Found")
        << row.headers;
  }
  // The connection goes on behind a reply without a body.
  client_->Send(Request("GET", "/v1/kv/c", "", Line("If-None-Match", "*")) +
                Request("GET", "/v1/kv/c"));
  cluster_.world().RunFor(Seconds(1));
  const std::string replies = client_->Take();
  EXPECT_EQ(StatusLine(replies), "HTTP/1.1 304 Not Modified");
  EXPECT_TRUE(replies.ends_with("\r\n\r\n1")) << replies;
}

TEST_F(HttpTest, ConditionsOfWrites_FollowRfc9110) {
  struct Row {
    std::string_view method;
    std::string headers;
    int present;  // The status for a key that exists, and for an absent one.
    int absent;
  };
  const std::string former = Header(Call("PUT", "/v1/kv/former", "0"), "ETag");
  // Stands for the version of the key.
  const std::string tag = "TAG";
  const Row rows[] = {
      {"PUT", "", 200, 200},
      {"PUT", Line("If-None-Match", "*"), 412, 200},
      {"PUT", Line("If-Match", "*"), 200, 412},
      {"PUT", Line("If-Match", tag), 200, 412},
      {"PUT", Line("If-Match", former), 412, 412},
      {"PUT", Line("If-Match", Concat("W/", tag)), 412, 412},
      {"PUT", Line("If-Match", "\"other\""), 412, 412},
      {"PUT", Line("If-Match", "\"0.0.0\""), 412, 412},
      {"PUT", Line("If-Match", "\"1.0.0\""), 412, 412},
      {"PUT", Line("If-Match", Concat("\"other\", ", tag)), 200, 412},
      {"DELETE", Line("If-None-Match", "*"), 412, 200},
      {"DELETE", Line("If-Match", "*"), 200, 412},
      {"DELETE", Line("If-Match", tag), 200, 412},
      {"DELETE", Line("If-Match", former), 412, 412},
      {"DELETE", Line("If-Match", Concat("W/", tag)), 412, 412},
      // The store cannot check these together with the write.
      {"PUT", Line("If-Match", Concat(tag, ", \"1.4.0\"")), 400, 400},
      {"PUT", Line("If-None-Match", former), 400, 400},
      {"DELETE", Line("If-None-Match", Concat("W/", former)), 400, 400},
      {"PUT", Line("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 400,
       400},
      {"DELETE", Line("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
       400, 400},
      {"PUT", Line("If-Range", tag), 400, 400},
      {"PUT", Line("If-Matches", tag), 400, 400},
      {"PUT", Line("Range", "bytes=0-1"), 400, 400},
      {"PUT", Line("Content-Range", "bytes 0-0/2"), 400, 400},
      {"PUT", Line("If-Match", "1.4.0"), 400, 400},
      {"PUT", Line("If-Match", "*") + Line("If-None-Match", "*"), 400, 400},
  };
  for (const Row& row : rows) {
    for (const bool exists : {true, false}) {
      std::string headers = row.headers;
      if (exists) {
        const std::string put = Call("PUT", "/v1/kv/w", "old");
        if (const size_t at = headers.find(tag); at != std::string::npos) {
          headers.replace(at, tag.size(), Header(put, "ETag"));
        }
      } else {
        Call("DELETE", "/v1/kv/w");
        if (const size_t at = headers.find(tag); at != std::string::npos) {
          headers.replace(at, tag.size(), former);
        }
      }
      const int status = exists ? row.present : row.absent;
      const std::string_view body = row.method == "PUT" ? "new" : "";
      const std::string reply = Call(row.method, "/v1/kv/w", body, headers);
      EXPECT_TRUE(reply.starts_with(Concat("HTTP/1.1 ", status, " ")))
          << row.method << " " << exists << " " << headers << reply;
      const std::string now = Call("GET", "/v1/kv/w");
      const bool done = status == 200;
      if (done ? row.method == "PUT" : exists) {
        EXPECT_EQ(Body(now), done ? "new" : "old") << headers;
      } else {
        EXPECT_EQ(StatusLine(now), "HTTP/1.1 404 Not Found") << headers;
      }
      if (status == 412 && exists) {
        EXPECT_EQ(Header(reply, "ETag"), Header(now, "ETag"));
      }
    }
  }
}

TEST_F(HttpTest, ConditionsThatExcludeEachOther_AreNamed) {
  const std::string version =
      Header(Call("PUT", "/v1/kv/x", "1"), "X-Quorate-Version");
  const std::string reply =
      Call("PUT", Concat("/v1/kv/x?nx&cas=", version), "2");
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(Body(reply),
            "{\"error\":{\"code\":\"MALFORMED\",\"message\":\"cas and nx "
            "exclude each other: no key can meet both\"}}\n");
  EXPECT_NE(Body(Call("PUT", "/v1/kv/x?nx", "2", Line("If-Match", "*")))
                .find("nx and If-Match exclude each other"),
            std::string::npos);
  EXPECT_EQ(Body(Call("GET", "/v1/kv/x")), "1");
  // These say the same twice.
  EXPECT_EQ(StatusLine(Call("PUT", Concat("/v1/kv/x?cas=", version), "3",
                            Line("If-Match", Concat("\"", version, "\"")))),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/x2?nx&cas=0", "4",
                            Line("If-None-Match", "*"))),
            "HTTP/1.1 200 OK");
}

// The store checks the condition together with the write: of writes to all
// nodes at once one succeeds.
TEST_F(HttpTest, ConditionalWritesAtOnce_OneSucceeds) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t i = 0; i < 9; ++i) {
    clients.push_back(cluster_.ConnectHttp(i % 3));
  }
  std::string condition = Line("If-None-Match", "*");
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) {
      clients[i]->Send(
          Request("PUT", "/v1/kv/once", Concat(round, "-", i), condition));
    }
    cluster_.world().RunFor(Seconds(1));
    int successes = 0;
    std::string winner;
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::string reply = clients[i]->Take();
      if (StatusLine(reply) == "HTTP/1.1 200 OK") {
        ++successes;
        winner = Concat(round, "-", i);
      } else {
        EXPECT_EQ(StatusLine(reply), "HTTP/1.1 412 Precondition Failed");
      }
    }
    EXPECT_EQ(successes, 1);
    const std::string now = Call("GET", "/v1/kv/once");
    EXPECT_EQ(Body(now), winner);
    condition = Line("If-Match", Header(now, "ETag"));
  }
}

TEST_F(HttpTest, IdempotencyKey_WithConditions_GetsTheFirstAnswer) {
  const std::string once =
      Line("Idempotency-Key", "once") + Line("If-None-Match", "*");
  const std::string first = Call("PUT", "/v1/kv/i", "1", once);
  EXPECT_EQ(StatusLine(first), "HTTP/1.1 200 OK");
  const std::string again = Call("PUT", "/v1/kv/i", "1", once);
  EXPECT_EQ(StatusLine(again), "HTTP/1.1 200 OK");
  EXPECT_EQ(Header(again, "X-Quorate-Duplicate"), "true");
  EXPECT_EQ(Header(again, "ETag"), Header(first, "ETag"));
  // Another condition is another request.
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/i", "1",
                            Line("Idempotency-Key", "once") +
                                Line("If-Match", Header(first, "ETag")))),
            "HTTP/1.1 422 Unprocessable Entity");
  const std::string swap =
      Line("Idempotency-Key", "swap") + Line("If-Match", Header(first, "ETag"));
  for (const std::string_view duplicate : {"", "true"}) {
    const std::string reply = Call("PUT", "/v1/kv/i", "2", swap);
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 200 OK");
    EXPECT_EQ(Header(reply, "X-Quorate-Duplicate"), duplicate);
  }
  const std::string failed =
      Line("Idempotency-Key", "failed") + Line("If-None-Match", "*");
  const std::string removes =
      Line("Idempotency-Key", "removes") + Line("If-Match", "*");
  const std::string absent =
      Line("Idempotency-Key", "absent") + Line("If-Match", "*");
  for (const std::string_view duplicate : {"", "true"}) {
    const std::string refused = Call("PUT", "/v1/kv/i", "3", failed);
    EXPECT_EQ(StatusLine(refused), "HTTP/1.1 412 Precondition Failed");
    EXPECT_EQ(Header(refused, "X-Quorate-Duplicate"), duplicate);
    // The key is gone when the second one arrives.
    const std::string removed = Call("DELETE", "/v1/kv/i", "", removes);
    EXPECT_EQ(Body(removed), "{\"deleted\":true}\n");
    EXPECT_EQ(Header(removed, "X-Quorate-Duplicate"), duplicate);
    const std::string none = Call("DELETE", "/v1/kv/i", "", absent);
    EXPECT_EQ(StatusLine(none), "HTTP/1.1 412 Precondition Failed");
    EXPECT_EQ(Header(none, "X-Quorate-Duplicate"), duplicate);
  }
  EXPECT_EQ(StatusLine(Call(
                "PUT", "/v1/kv/i", "1",
                Line("Idempotency-Key", "a") + Line("Idempotency-Key", "b"))),
            "HTTP/1.1 400 Bad Request");
}

TEST_F(HttpTest, PlainWrites_WithConditions_AreRefused) {
  for (const std::string& header :
       {Line("If-None-Match", "*"), Line("If-Match", "\"1.4.0\""),
        Line("If-Unmodified-Since", "x"), Line("Range", "bytes=0-1"),
        Line("Idempotency-Key", "k")}) {
    const std::string reply = Call("GET", "/set?key=s&value=1", "", header);
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 400 Bad Request") << header;
    EXPECT_NE(Body(reply).find("\"code\":\"NOT_SUPPORTED\""),
              std::string::npos);
  }
  EXPECT_EQ(StatusLine(Call("GET", "/get?key=s")), "HTTP/1.1 404 Not Found");
}

// RFC 9110 6.6.1.
TEST_F(HttpTest, Date_IsInEveryReply) {
  const std::string date = Header(Call("GET", "/livez"), "Date");
  ASSERT_EQ(date.size(), 29u) << date;
  EXPECT_TRUE(date.ends_with(" GMT"));
  for (const auto& [method, target] :
       std::vector<std::pair<std::string_view, std::string_view>>{
           {"PUT", "/v1/kv/d"},
           {"GET", "/v1/kv/d"},
           {"HEAD", "/v1/kv/d"},
           {"GET", "/v1/kv/none"},
           {"POST", "/v1/kv/d"},
           {"GET", "/v1/kv/d?x"},
           {"GET", "/metrics"},
           {"GET", "/readyz"}}) {
    EXPECT_EQ(Header(Call(method, target), "Date").size(), 29u) << target;
  }
  EXPECT_EQ(
      Header(Call("GET", "/v1/kv/d", "", Line("If-None-Match", "*")), "Date")
          .size(),
      29u);
  cluster_.world().RunFor(Seconds(1));
  EXPECT_NE(Header(Call("GET", "/livez"), "Date"), date);
  // Without an error that is known, the reading is still a date.
  cluster_.world().clock(cluster_.machine(0)).SetWallLatestKnown(false);
  EXPECT_EQ(Header(Call("GET", "/livez"), "Date").size(), 29u);
  // No clock.
  cluster_.world()
      .clock(cluster_.machine(0))
      .SetWallErrorBound(cluster_.world().now(), Nanoseconds(-1));
  const std::string none = Call("GET", "/livez");
  EXPECT_EQ(StatusLine(none), "HTTP/1.1 200 OK");
  EXPECT_EQ(none.find("Date"), std::string::npos) << none;
}

TEST_F(HttpTest, UnreadableBytes_CloseTheConnection) {
  const std::string reply = cluster_.CallHttp(*client_, "NONSENSE\r\n\r\n");
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(Header(reply, "Connection"), "close");
  cluster_.world().RunFor(Seconds(1));
  EXPECT_TRUE(client_->closed());
}

TEST_F(HttpTest, TooLargeBody_IsRefusedBeforeItIsSent) {
  const std::string reply =
      cluster_.CallHttp(*client_,
                        "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\n"
                        "Content-Length: 999999999\r\n\r\n");
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 413 Payload Too Large");
}

TEST_F(HttpTest, PutWithoutLength_IsRefused_ButEmptyAndChunkedValuesAreNot) {
  const std::string none =
      cluster_.CallHttp(*client_, "PUT /v1/kv/l HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(StatusLine(none), "HTTP/1.1 411 Length Required");
  EXPECT_NE(none.find("LENGTH_REQUIRED"), std::string::npos);
  EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/l")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/l", "")), "HTTP/1.1 200 OK");
  EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/l")), "HTTP/1.1 200 OK");
  const std::string chunked = cluster_.CallHttp(
      *client_,
      "PUT /v1/kv/l HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(StatusLine(chunked), "HTTP/1.1 200 OK");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/l")), "abcde");
}

// A proxy in front of the node may frame such a message differently. Its bytes
// must never become another request.
TEST_F(HttpTest, AmbiguousMessages_AreRefusedAndLaterBytesAreNotRead) {
  const std::string hidden = Request("PUT", "/v1/kv/am", "hidden");
  for (const std::string_view headers :
       {"Host: a\r\nHost: b\r\nContent-Length: 1\r\n\r\nx",
        "Content-Length: 1\r\n\r\nx",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n",
        "Host: a\r\nContent-Length: -1\r\n\r\n",
        "Host: a\r\nContent-Length : 3\r\n\r\n",
        "Host: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "Host: a\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        "Host: a\nContent-Length: 0\n\n"}) {
    auto client = cluster_.ConnectHttp(0);
    client->Send(Concat(Request("GET", "/livez"), "PUT /v1/kv/am HTTP/1.1\r\n",
                        headers, hidden));
    cluster_.world().RunFor(Seconds(1));
    const std::string replies = client->Take();
    EXPECT_EQ(StatusLine(replies), "HTTP/1.1 200 OK") << headers;
    const size_t second = replies.find("HTTP/1.1", 1);
    ASSERT_NE(second, std::string::npos) << headers;
    EXPECT_EQ(StatusLine(replies.substr(second)), "HTTP/1.1 400 Bad Request")
        << headers;
    EXPECT_EQ(Header(replies.substr(second), "Connection"), "close");
    EXPECT_EQ(replies.find("\r\nContent-Type", second),
              replies.rfind("\r\nContent-Type"))
        << replies;
    EXPECT_TRUE(client->closed()) << headers;
  }
  EXPECT_EQ(StatusLine(Call("GET", "/v1/kv/am")), "HTTP/1.1 404 Not Found");
}

// java.net.http.HttpClient and curl --http2 send this header by default.
TEST_F(HttpTest, UpgradeToHttp2_IsIgnored) {
  const std::string_view upgrade =
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/u", "1", upgrade)),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/u", "", upgrade)), "1");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/u")), "1");
}

TEST_F(HttpTest, KeepAliveOfHttp10_IsConfirmed) {
  for (int i = 0; i < 2; ++i) {
    const std::string kept = cluster_.CallHttp(
        *client_, "GET /livez HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    EXPECT_EQ(StatusLine(kept), "HTTP/1.1 200 OK");
    EXPECT_EQ(Header(kept, "Connection"), "keep-alive");
  }
  EXPECT_EQ(Header(Call("GET", "/livez"), "Connection"), "");
  const std::string last =
      cluster_.CallHttp(*client_, "GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_EQ(Body(last), "ok\n");
  EXPECT_EQ(Header(last, "Connection"), "close");
  cluster_.world().RunFor(Seconds(1));
  EXPECT_TRUE(client_->closed());
}

TEST_F(HttpTest, BytesOneByOne_AreEqualRequests) {
  const std::string put =
      "PUT /v1/kv/b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
  for (const char c : put + Request("HEAD", "/v1/kv/b")) {
    client_->Send(std::string_view(&c, 1));
    cluster_.world().RunFor(Milliseconds(1));
  }
  cluster_.world().RunFor(Seconds(1));
  const std::string replies = client_->Take();
  const size_t second = replies.find("HTTP/1.1", 1);
  ASSERT_NE(second, std::string::npos) << replies;
  EXPECT_EQ(StatusLine(replies), "HTTP/1.1 200 OK");
  EXPECT_EQ(Header(replies.substr(second), "Content-Length"), "5");
  EXPECT_EQ(Body(replies.substr(second)), "");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/b")), "abcde");
}

TEST_F(HttpTest, Value_OfTheLargestSize_IsTaken_AndOneByteMoreIsNot) {
  const size_t limit = Config().bounds.value_bytes;
  const std::string largest(limit, 'x');
  EXPECT_EQ(StatusLine(Call("PUT", "/v1/kv/l", largest)), "HTTP/1.1 200 OK");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/l")), largest);
  const std::string refused = Call("PUT", "/v1/kv/l", largest + "x");
  EXPECT_EQ(StatusLine(refused), "HTTP/1.1 413 Payload Too Large");
  EXPECT_NE(refused.find(Concat("has more than ", limit, " bytes")),
            std::string::npos)
      << refused;
}

// The client is still sending when it is refused. It must receive the reply,
// not a reset.
TEST_F(HttpTest, TooLargeChunkedBody_IsAnsweredWhileItArrives) {
  std::string request =
      "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    Append(&request, "10000\r\n", std::string(0x10000, 'x'), "\r\n");
  }
  const std::string reply = cluster_.CallHttp(*client_, request);
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 413 Payload Too Large");
  EXPECT_NE(reply.find("\"code\":\"TOO_LARGE\""), std::string::npos);
  EXPECT_EQ(Header(reply, "Connection"), "close");
  client_->Send("0\r\n\r\n");
  cluster_.world().RunFor(Seconds(3));
  EXPECT_TRUE(client_->closed());
}

TEST_F(HttpTest, Pipeline_AnswersInOrder) {
  client_->Send(Request("PUT", "/v1/kv/p", "1") + Request("GET", "/v1/kv/p") +
                Request("GET", "/livez") + Request("HEAD", "/v1/kv/p") +
                Request("PUT", "/v1/kv/p", "2") + Request("GET", "/v1/kv/p"));
  cluster_.world().RunFor(Seconds(1));
  const std::string all = client_->Take();
  const size_t first = all.find("\r\n\r\n1HTTP/1.1 200 OK");
  const size_t live = all.find("\r\n\r\nok\nHTTP/1.1 200 OK");
  EXPECT_NE(first, std::string::npos) << all;
  EXPECT_GT(live, first);
  EXPECT_TRUE(all.ends_with("\r\n\r\n2")) << all;
}

constexpr std::string_view kExpectingPut =
    "PUT /v1/kv/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
    "Content-Length: 3\r\n\r\n";

TEST_F(HttpTest, ExpectContinue_IsAnswered) {
  for (int i = 0; i < 2; ++i) {
    client_->Send(kExpectingPut);
    cluster_.world().RunFor(Milliseconds(100));
    EXPECT_EQ(client_->Take(), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(StatusLine(cluster_.CallHttp(*client_, "abc")),
              "HTTP/1.1 200 OK");
  }
}

TEST_F(HttpTest, ExpectContinue_BehindAnOutstandingReply_FollowsIt) {
  for (const std::string& first :
       {Request("PUT", "/v1/kv/y", "1"), Request("GET", "/v1/kv/y"),
        Request("GET", "/livez"),
        Request("PUT", "/v1/kv/y", "2") + Request("GET", "/v1/kv/none")}) {
    client_->Send(Concat(first, kExpectingPut));
    cluster_.world().RunFor(Milliseconds(200));
    const std::string replies = client_->Take();
    EXPECT_EQ(StatusLine(replies), "HTTP/1.1 200 OK");
    EXPECT_TRUE(replies.ends_with("HTTP/1.1 100 Continue\r\n\r\n")) << replies;
    EXPECT_EQ(replies.find("100 Continue"), replies.rfind("100 Continue"));
    EXPECT_EQ(StatusLine(cluster_.CallHttp(*client_, "abc")),
              "HTTP/1.1 200 OK");
  }
}

TEST_F(HttpTest, ConnectionClose_IsObeyed) {
  const std::string reply = cluster_.CallHttp(
      *client_, "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Body(reply), "ok\n");
  cluster_.world().RunFor(Seconds(1));
  EXPECT_TRUE(client_->closed());
}

TEST_F(HttpTest, Redirect_NamesTheLeader) {
  // foo is in the third group, which the third node leads.
  const std::string reply = Call("PUT", "/v1/kv/foo?redirect", "1");
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 307 Temporary Redirect");
  EXPECT_EQ(Header(reply, "Location"), "http://n3:8001/v1/kv/foo?redirect");
  const std::string absolute =
      Call("PUT", "http://n1:8001/v1/kv/foo?redirect", "1");
  EXPECT_EQ(Header(absolute, "Location"), "http://n3:8001/v1/kv/foo?redirect");
  EXPECT_EQ(StatusLine(Call("PUT", "http://n1:8001/v1/kv/foo", "2")),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(Body(Call("GET", "/v1/kv/foo")), "2");
}

// bar is in the first group, which this node leads.
TEST_F(HttpTest, Pipelined_WithAndWithoutRedirect_KeepTheirOrder) {
  for (const bool first : {true, false}) {
    const std::string_view targets[] = {"/v1/kv/bar?redirect", "/v1/kv/bar"};
    client_->Send(Request("PUT", targets[first ? 0 : 1], "1") +
                  Request("PUT", targets[first ? 1 : 0], "2"));
    cluster_.world().RunFor(Seconds(1));
    const std::string replies = client_->Take();
    EXPECT_EQ(StatusLine(replies), "HTTP/1.1 200 OK");
    EXPECT_EQ(Body(Call("GET", "/v1/kv/bar")), "2");
  }
}

TEST_F(HttpTest, Ready_ListsGroups_AndFailsWithoutALeader) {
  const std::string ready = Call("GET", "/readyz?verbose");
  EXPECT_EQ(StatusLine(ready), "HTTP/1.1 200 OK");
  EXPECT_EQ(Body(ready),
            "[+]log ok\n[+]disk 1048575 MiB of 1048576 MiB free\n"
            "[+]group 1 ok\n[+]group 2 ok\n[+]group 3 ok\n"
            "[+]node 2 ok\n[+]node 3 ok\nok\n");
  cluster_.Crash(1);
  cluster_.Crash(2);
  cluster_.world().RunFor(Seconds(5));
  EXPECT_EQ(StatusLine(Call("GET", "/readyz")),
            "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(StatusLine(Call("GET", "/livez")), "HTTP/1.1 200 OK");
  client_->Send(Request("PUT", "/v1/kv/foo", "1"));
  cluster_.world().RunFor(Seconds(3));
  const std::string put = client_->Take();
  EXPECT_EQ(StatusLine(put), "HTTP/1.1 503 Service Unavailable");
  EXPECT_NE(put.find("\"code\":\"NO_LEADER\""), std::string::npos) << put;
  const std::string stale = Call("GET", "/v1/kv/foo?consistency=eventual");
  EXPECT_EQ(StatusLine(stale), "HTTP/1.1 404 Not Found");
}

// Every sample belongs to a family with HELP and TYPE, and has a number.
TEST_F(HttpTest, Metrics_AreWellFormed) {
  Call("PUT", "/v1/kv/foo", "1");
  auto resp = cluster_.ConnectResp(0);
  cluster_.Command(*resp, {"PING"});
  cluster_.Command(*resp, {"BOGUS"});
  const std::string page = Body(Call("GET", "/metrics"));
  std::string family;
  std::string type;
  size_t begin = 0;
  size_t samples = 0;
  std::vector<std::string> families;
  while (begin < page.size()) {
    const size_t end = page.find('\n', begin);
    const std::string line = page.substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      for (const std::string& other : families) EXPECT_NE(other, family);
      families.push_back(family);
      type.clear();
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line.starts_with(Concat("# TYPE ", family, " "))) << line;
      type = line.substr(line.rfind(' ') + 1);
    } else {
      ++samples;
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_FALSE(type.empty()) << line;
      EXPECT_NE(line.substr(line.rfind(' ') + 1).find_first_of("0123456789"),
                std::string::npos)
          << line;
      EXPECT_EQ(family.ends_with("_total"), type == "counter") << line;
    }
  }
  EXPECT_GT(samples, 100u);
  for (const std::string_view expected :
       {"quorate_commands_total{cmd=\"ping\",status=\"ok\"} 1",
        "quorate_error_replies_total{code=\"ERR\"} 1",
        "quorate_raft_is_leader{group=\"1\"} 1",
        "quorate_raft_is_leader{group=\"2\"} 0"}) {
    EXPECT_NE(page.find(expected), std::string::npos) << expected;
  }
}

// Each byte as %XX, beside long headers.
TEST(Http_LongestKey, FitsIntoARequest) {
  TestCluster cluster({.adjust = PlainWrites});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectHttp(0);
  const BoundsConfig& bounds = cluster.config(0).bounds;
  std::string key;
  for (size_t i = 0; i < bounds.key_bytes; ++i) key += "%ff";
  const std::string headers =
      Line("A", std::string(bounds.http_header_bytes - 200, 'a'));
  const std::string target = Concat("/v1/kv/", key);
  EXPECT_EQ(StatusLine(cluster.CallHttp(*client,
                                        Request("PUT", target, "1", headers))),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(
      Body(cluster.CallHttp(*client, Request("GET", target, "", headers))),
      "1");
  EXPECT_EQ(StatusLine(cluster.CallHttp(
                *client, Request("GET", Concat("/set?value=2&key=", key)))),
            "HTTP/1.1 200 OK");
  EXPECT_EQ(
      Body(cluster.CallHttp(*client, Request("GET", Concat("/get?key=", key)))),
      "2");
  EXPECT_EQ(StatusLine(cluster.CallHttp(*client,
                                        Request("GET", Concat(target, "%ff")))),
            "HTTP/1.1 400 Bad Request");
  const std::string refused = cluster.CallHttp(
      *client, Request("GET", target, "",
                       Line("A", std::string(bounds.http_header_bytes, 'a'))));
  EXPECT_EQ(StatusLine(refused),
            "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_NE(refused.find(Concat("more than ",
                                bounds.http_header_bytes + 3 * bounds.key_bytes,
                                " bytes")),
            std::string::npos)
      << refused;
}

void LongHeaders(Config& config) { config.bounds.http_header_bytes = 1 << 20; }

TEST(Http_Headers, UpToTheLargestLimit_AreRead) {
  TestCluster cluster({.adjust = LongHeaders});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectHttp(0);
  const std::string bare = Request("GET", "/livez", "", "A: \r\n");
  const size_t limit =
      (size_t{1} << 20) + 3 * cluster.config(0).bounds.key_bytes;
  for (const size_t size : {size_t{200'000}, limit - bare.size()}) {
    const std::string reply = cluster.CallHttp(
        *client, Request("GET", "/livez", "",
                         Concat("A: ", std::string(size, 'x'), "\r\n")));
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 200 OK");
  }
  const std::string reply = cluster.CallHttp(
      *client, Request("GET", "/livez", "",
                       Concat("A: ", std::string(limit, 'x'), "\r\n")));
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST(Http_WritesByGet, AreOffByDefault) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectHttp(0);
  const std::string reply =
      cluster.CallHttp(*client, Request("GET", "/set?key=a&value=b"));
  EXPECT_EQ(StatusLine(reply), "HTTP/1.1 403 Forbidden");
  EXPECT_NE(reply.find("GET_WRITES_OFF"), std::string::npos);
}

// The client half-closes within a request, after each of its bytes in turn.
TEST(Http_HalfClose, IncompleteRequest_Gets400) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string whole = Request("PUT", "/v1/kv/a", "0123456789");
  for (size_t size = 0; size <= whole.size(); ++size) {
    auto client = cluster.ConnectHttp(0);
    client->Send(Request("GET", "/livez") + whole.substr(0, size));
    client->End();
    cluster.world().RunFor(Seconds(1));
    std::string reply = client->Take();
    EXPECT_TRUE(client->closed()) << size;
    EXPECT_EQ(StatusLine(reply), "HTTP/1.1 200 OK") << size;
    const size_t second = reply.find("HTTP/1.1 ", 1);
    if (size == 0) {
      EXPECT_EQ(second, std::string::npos);
      continue;
    }
    ASSERT_NE(second, std::string::npos) << size;
    reply.erase(0, second);
    const bool cut = size < whole.size();
    EXPECT_EQ(StatusLine(reply),
              cut ? "HTTP/1.1 400 Bad Request" : "HTTP/1.1 200 OK")
        << size;
    if (!cut) continue;
    EXPECT_NE(reply.find("the request is incomplete"), std::string::npos)
        << size;
    EXPECT_EQ(Header(reply, "Connection"), "close");
  }
}

TEST(Http_Version, OtherThanOne_Gets505) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectHttp(0);
  EXPECT_EQ(StatusLine(cluster.CallHttp(*client, "GET / HTTP/2.0\r\n")),
            "HTTP/1.1 505 HTTP Version Not Supported");
}

}  // namespace
}  // namespace quorate::node
