#include "node/http/http_parameters.h"

#include "gtest/gtest.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

std::string ErrorOf(std::string_view route, std::string_view query) {
  HttpTarget target;
  EXPECT_TRUE(ParseTarget(Concat("/x?", query), &target)) << query;
  return ParameterError(ParametersOf(route), target);
}

TEST(HttpParameters_Known, AreTaken) {
  for (const auto& [route, query] :
       std::vector<std::pair<std::string_view, std::string_view>>{
           {"kv_get", ""},
           {"kv_get", "&&"},
           {"kv_get", "redirect&consistency=eventual"},
           {"kv_get", "consistency=bounded&staleness=1s"},
           {"kv_put", "cas=x&nx&redirect=1&ttl="},
           {"kv_put", "nx=true&redirect=true"},
           {"kv_put", "n%78"},
           {"kv_delete", "cas=0&redirect"},
           {"get", "key=a&consistency=eventual&redirect"},
           {"set", "key=a&value=b&redirect"},
           {"readyz", "verbose"},
           {"admin_change", "dry_run"},
           {"admin_change", "dry_run=1"},
           {"livez", ""}}) {
    EXPECT_EQ(ErrorOf(route, query), "") << route << " " << query;
  }
}

TEST(HttpParameters_Unknown, AreNamedBesideTheKnownOnes) {
  EXPECT_EQ(ErrorOf("kv_put", "CAS=0"),
            "unknown parameter 'CAS'; PUT /v1/kv/KEY takes cas, nx, "
            "redirect and ttl");
  EXPECT_EQ(ErrorOf("kv_get", "consitency=stale"),
            "unknown parameter 'consitency'; GET /v1/kv/KEY takes consistency, "
            "redirect and staleness");
  EXPECT_EQ(ErrorOf("readyz", "x"),
            "unknown parameter 'x'; /readyz takes verbose");
  EXPECT_EQ(ErrorOf("metrics", "a=b"),
            "unknown parameter 'a'; /metrics takes none");
  EXPECT_EQ(ErrorOf("livez", "%00%22%c3%a4=b"),
            "unknown parameter '%00\"%c3%a4'; /livez takes none");
  EXPECT_EQ(ErrorOf("livez", std::string(70, 'a')),
            Concat("unknown parameter '", std::string(60, 'a'),
                   "…'; /livez takes none"));
  for (const auto& [route, query] :
       std::vector<std::pair<std::string_view, std::string_view>>{
           {"kv_get", "cas=0"},
           {"kv_get", "ttl=1"},
           {"kv_put", "Nx"},
           {"kv_put", "TTL=5"},
           {"kv_put", "consistency=eventual"},
           {"kv_put", "cas=0&nonsense=1"},
           {"kv_put", "cas=0;nx"},
           {"kv_put", "=1"},
           {"kv_delete", "nx"},
           {"kv_delete", "ttl=1"},
           {"get", "key=a&value=b"},
           {"set", "key=a&value=b&ttl=1"},
           {"set", "key=a&value=b&nx"},
           {"index", "verbose"}}) {
    const bool refused = !ErrorOf(route, query).empty();
    // "cas=0;nx" is the value of cas.
    EXPECT_EQ(refused, query != "cas=0;nx") << route << " " << query;
  }
}

TEST(HttpParameters_GivenTwice, AreNamed) {
  EXPECT_EQ(ErrorOf("kv_put", "cas=0&nx&cas=0"),
            "parameter 'cas' is given twice");
  EXPECT_EQ(ErrorOf("kv_put", "nx&nx"), "parameter 'nx' is given twice");
  EXPECT_EQ(ErrorOf("set", "key=a&value=b&k%65y=c"),
            "parameter 'key' is given twice");
}

// A flag with a value would be set by "nx=0" as well.
TEST(HttpParameters_FlagsWithAValue, AreRefused) {
  for (const std::string_view query : {"nx=0", "nx=false", "redirect=no"}) {
    EXPECT_NE(ErrorOf("kv_put", query).find("has no values but 1 and true"),
              std::string::npos)
        << query;
  }
  EXPECT_NE(ErrorOf("readyz", "verbose=0"), "");
}

}  // namespace
}  // namespace quorate::node
