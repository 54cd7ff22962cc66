#include "net/tools/resp_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "net/tools/cluster_view.h"
#include "net/tools/http_request.h"

namespace quorate::net {
namespace {

using Kind = kv::RespValue::Kind;

// Accepts one connection, reads the request, sends `reply` byte by byte, and
// closes.
class OneShotServer {
 public:
  explicit OneShotServer(std::string reply) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(
        bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    EXPECT_EQ(listen(listener_, 1), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, reply = std::move(reply)] {
      const int fd = accept(listener_, nullptr, nullptr);
      char bytes[4096];
      const ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
      if (n > 0) request_.assign(bytes, n);
      for (const char c : reply) (void)send(fd, &c, 1, MSG_NOSIGNAL);
      close(fd);
    });
  }
  ~OneShotServer() {
    if (thread_.joinable()) thread_.join();
    close(listener_);
  }
  const std::string& address() const { return address_; }
  std::string request() {
    thread_.join();
    return request_;
  }

 private:
  int listener_ = -1;
  std::string address_;
  std::string request_;
  std::thread thread_;
};

absl::StatusOr<kv::RespValue> CallOnce(const std::string& reply) {
  OneShotServer server(reply);
  auto client = RespClient::Connect(server.address(), Seconds(10));
  EXPECT_TRUE(client.ok()) << client.status();
  return (*client)->Call({"PING"});
}

TEST(RespClient, Command_IsSentAsBulkStrings) {
  OneShotServer server("+OK\r\n");
  auto client = RespClient::Connect(server.address(), Seconds(10));
  ASSERT_TRUE(client.ok());
  const auto reply = (*client)->Call({"SET", "k", std::string_view("\0\n", 2)});
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(server.request(),
            std::string("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\0\n\r\n", 28));
}

TEST(RespClient, RepliesOfEveryKind_AreRead) {
  EXPECT_EQ(CallOnce("+PONG\r\n")->text, "PONG");
  EXPECT_TRUE(CallOnce("-ERR no\r\n")->is_error());
  EXPECT_EQ(CallOnce("-ERR no\r\n")->text, "ERR no");
  EXPECT_EQ(CallOnce(":-42\r\n")->integer, -42);
  EXPECT_TRUE(CallOnce("$-1\r\n")->is_nil());
  EXPECT_EQ(CallOnce("$5\r\na\r\nbc\r\n")->text, "a\r\nbc");
  const kv::RespValue array = *CallOnce("*2\r\n*1\r\n:7\r\n$1\r\nx\r\n");
  ASSERT_EQ(array.elements.size(), 2u);
  EXPECT_EQ(array.elements[0].elements[0].integer, 7);
}

TEST(RespClient, InvalidBytes_AreDataLoss) {
  for (const char* reply : {"hello\r\n", "\r\n", ":x\r\n", "$-2\r\n"}) {
    EXPECT_EQ(CallOnce(reply).status(),
              absl::DataLossError("the reply is not RESP"))
        << reply;
  }
}

TEST(RespClient, HttpServer_IsNamed) {
  const absl::Status status =
      CallOnce("HTTP/1.1 400 Bad Request\r\n\r\n").status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_NE(std::string(status.message()).find("answers in HTTP, not in RESP"),
            std::string::npos)
      << status;
}

TEST(RespClient, LongLine_IsReadUpToALimit) {
  const std::string line(100'000, 'x');
  EXPECT_EQ(CallOnce("+" + line + "\r\n")->text, line);
  EXPECT_TRUE(
      absl::IsDataLoss(CallOnce("+" + std::string(200'000, 'x')).status()));
}

TEST(RespClient, ManyItems_AreRead) {
  std::string reply = "*20000\r\n";
  for (int i = 0; i < 20'000; ++i) {
    reply += "$4\r\n" + std::to_string(10'000 + i % 10'000).substr(1) + "\r\n";
  }
  const kv::RespValue array = *CallOnce(reply);
  ASSERT_EQ(array.elements.size(), 20'000u);
  EXPECT_EQ(array.elements[9'999].text, "9999");
  EXPECT_EQ(array.elements[10'001].text, "0001");
}

TEST(RespClient, ConnectionLost_IsUnavailable) {
  EXPECT_TRUE(absl::IsUnavailable(CallOnce("$5\r\nab").status()));
  EXPECT_TRUE(absl::IsUnavailable(
      RespClient::Connect("127.0.0.1:1", Seconds(10)).status()));
}

// The request may have taken effect.
TEST(HttpRequest, AnswerThatIsCutOff_IsUnknown) {
  for (const char* const reply :
       {"", "HT", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"a\":1}"}) {
    OneShotServer server(reply);
    const auto answer =
        SendHttp(server.address(), "POST", "/", "", Seconds(5), "");
    EXPECT_TRUE(absl::IsUnknown(answer.status())) << reply << answer.status();
  }
  OneShotServer whole("HTTP/1.1 409 C\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
  const auto answer =
      SendHttp(whole.address(), "POST", "/", "", Seconds(5), "");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 409);
  EXPECT_EQ(answer->body, "{\"a\":1}");
  OneShotServer other("220 mail.example ready\r\n");
  EXPECT_TRUE(absl::IsDataLoss(
      SendHttp(other.address(), "POST", "/", "", Seconds(5), "").status()));
}

TEST(ClusterView, SlotsReply_NamesMasters) {
  const kv::RespValue reply = *CallOnce(
      "*2\r\n"
      "*4\r\n:0\r\n:99\r\n"
      "*3\r\n$9\r\n127.0.0.1\r\n:7001\r\n$1\r\na\r\n"
      "*3\r\n$9\r\n127.0.0.1\r\n:7002\r\n$1\r\nb\r\n"
      "*3\r\n:100\r\n:100\r\n*3\r\n$3\r\n::1\r\n:7003\r\n$1\r\nc\r\n");
  const auto ranges = ParseClusterSlots(reply);
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  EXPECT_EQ(MasterOf(*ranges, 99), "127.0.0.1:7001");
  EXPECT_EQ(MasterOf(*ranges, 100), "[::1]:7003");
  EXPECT_EQ(MasterOf(*ranges, 101), std::nullopt);
  EXPECT_FALSE(ParseClusterSlots(kv::RespValue()).ok());
}

TEST(ClusterView, InfoOfTheCluster_HasTheNumberOfSlots) {
  EXPECT_EQ(ParseSlotCount("cluster_enabled:1\r\n"
                           "cluster_slots_assigned:6\r\ncluster_slots_ok:5"),
            6);
  EXPECT_EQ(ParseSlotCount("cluster_slots_assigned:x\r\n"), std::nullopt);
  EXPECT_EQ(ParseSlotCount(""), std::nullopt);
}

TEST(ClusterView, InfoText_HasTheRoomOfTheDisk) {
  EXPECT_EQ(ParseInfoDisk("# Persistence\r\ndisk_free_bytes:7\r\n"
                          "disk_size_bytes:90\r\ndisk_lacks_room:1\r\n"),
            (DiskLine{.free_bytes = 7, .size_bytes = 90, .lacks_room = true}));
  EXPECT_EQ(ParseInfoDisk("# Persistence\r\nloading:0\r\n"), std::nullopt);
  EXPECT_EQ(ParseInfoDisk("disk_size_bytes:x\r\n"), std::nullopt);
}

TEST(ClusterView, ParseInfoCertificate_Text_HasTheTimeLeft) {
  EXPECT_EQ(ParseInfoCertificate("a:1\r\ntls_certificate_seconds_left:-7\r\n"
                                 "tls_reload_failing:1\r\n"),
            (CertificateLine{.seconds_left = -7, .reload_failing = true}));
  EXPECT_EQ(ParseInfoCertificate("tls_certificate_seconds_left:86400\r\n"),
            (CertificateLine{.seconds_left = 86400}));
  EXPECT_EQ(ParseInfoCertificate("disk_size_bytes:90\r\n"), std::nullopt);
}

TEST(ClusterView, InfoText_NamesGroups) {
  const std::vector<GroupLine> groups = ParseInfoGroups(
      "# Cluster\r\ncluster_enabled:1\r\n"
      "group1:role=leader,leader=2,term=3,commit=7,applied=6,status=ok\r\n"
      "group12:role=follower,leader=0,term=1,new=x,commit=0,applied=0,"
      "status=stopped\r\ngroups:2\r\n"
      "group13:role=fenced,leader=1,slots=5461,status=fenced\r\n");
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0], (GroupLine{.group = 1,
                                  .role = "leader",
                                  .leader = 2,
                                  .term = 3,
                                  .commit = 7,
                                  .applied = 6,
                                  .status = "ok"}));
  EXPECT_TRUE(groups[0].leads());
  EXPECT_EQ(groups[1].group, 12u);
  EXPECT_EQ(groups[1].status, "stopped");
  EXPECT_EQ(groups[2], (GroupLine{.group = 13,
                                  .role = "fenced",
                                  .leader = 1,
                                  .slots = 5461,
                                  .status = "fenced"}));
  EXPECT_TRUE(ParseInfoGroups("group1:term=x").empty());
  const std::map<uint32_t, std::string> refused = ParseRefusedNodes(
      "# "
      "Nodes\r\nnode2:state=online\r\nnode30:state=refused\r\nnode30_refusal:"
      "it is, so\r\n"
      "node4:state=offline\r\n");
  EXPECT_EQ(refused, (std::map<uint32_t, std::string>{{30, "it is, so"}}));
  EXPECT_TRUE(SaysRemoved("# Nodes\r\nremoved:1\r\nnode2:state=offline\r\n"));
  EXPECT_FALSE(SaysRemoved("# Nodes\r\nnode2:state=online\r\n"));
}

}  // namespace
}  // namespace quorate::net
