// The client of every request against a server that gives one answer to all.
#include "sim/workload/surface_client.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using ::testing::HasSubstr;

// The violations of ten minutes, one per line.
std::string ViolationsOf(const std::string& resp, const std::string& http) {
  World world({.seed = 1});
  const auto serve = [&](const std::string& address,
                         const std::string& answer) {
    world.Start(world.AddMachine({.name = address.substr(0, 2)}),
                [&world, address, answer](env::Env& env) {
                  return std::make_shared<Parrot>(env, address, answer);
                });
  };
  serve("n1:7001", resp);
  serve("n2:8001", http);
  SurfaceClient* client = nullptr;
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    auto made = std::make_shared<SurfaceClient>(
        env, SurfaceClientOptions{.resp = {"n1:7001"}, .http = {"n2:8001"}},
        [&](std::string what) { world.Violate(std::move(what)); });
    client = made.get();
    return made;
  });
  world.RunFor(Seconds(600));
  EXPECT_GT(client->answered(), 0u);
  std::string all;
  for (const std::string& one : world.violations()) all += one + "\n";
  return all;
}

constexpr char kRefusal[] = "-ERR no\r\n";
constexpr char kMissing[] =
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

TEST(SurfaceClient, MistakeWithoutAnError_Found) {
  EXPECT_THAT(ViolationsOf("+OK\r\n+OK\r\n", kMissing),
              HasSubstr("no error but OK"));
}

TEST(SurfaceClient, BytesThatAreNoReply_Found) {
  EXPECT_THAT(ViolationsOf("-ERR no\r\n?\r\n", kMissing),
              HasSubstr("bytes that are no reply"));
}

TEST(SurfaceClient, AnotherStatus_Found) {
  EXPECT_THAT(ViolationsOf(kRefusal, kMissing), HasSubstr("status 404, not"));
}

// Such a node refuses every request, whatever is wrong with it.
TEST(SurfaceClient, NodeThatStops_IsNoViolation) {
  const auto answer = [](absl::string_view code) {
    const std::string body =
        absl::StrCat("{\"error\":{\"code\":\"", code, "\"}}");
    return absl::StrCat(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
        "Content-Length: ",
        body.size(), "\r\n\r\n", body);
  };
  EXPECT_EQ(ViolationsOf(kRefusal, answer("STOPPED")), "");
  EXPECT_THAT(ViolationsOf(kRefusal, answer("NO_LEADER")),
              HasSubstr("status 503, not"));
}

}  // namespace
}  // namespace quorate::sim
