#include "net/tls/certs_verb.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "net/disk/posix_file.h"
#include "net/tls/issue_certificates.h"
#include "net/tls/tls_context.h"

namespace quorate::net {
namespace {

constexpr int kCaDays = 3650;
constexpr int kDays = 365;

absl::Status WriteNew(const std::string& path, const std::string& text,
                      mode_t mode) {
  const OwnedFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) return FileError(errno, "creating", path);
  std::vector<iovec> pieces = {{const_cast<char*>(text.data()), text.size()}};
  const int error = WriteFully(file.get(), pieces, 0, /*durable=*/true);
  return error == 0 ? absl::OkStatus() : FileError(error, "writing", path);
}

// Writes both files, and returns the line that names them.
absl::StatusOr<std::string> WriteFiles(
    const std::string& directory, const std::string& name,
    const absl::StatusOr<IssuedCertificate>& issued) {
  if (!issued.ok()) return issued.status();
  if (absl::Status made = MakeDirectories(directory); !made.ok()) return made;
  const std::string base = directory + "/" + name;
  absl::Status written = WriteNew(base + ".key", issued->key, 0600);
  if (!written.ok()) return written;
  written = WriteNew(base + ".crt", issued->certificate, 0644);
  if (!written.ok()) {
    (void)unlink((base + ".key").c_str());
    return written;
  }
  return absl::StrCat("wrote ", base, ".crt and ", base, ".key\n");
}

absl::StatusOr<std::string> Issue(const CertsArguments& arguments,
                                  const std::string& file,
                                  CertificateWish wish) {
  const std::string& from =
      arguments.authority.empty() ? arguments.out : arguments.authority;
  const auto certificate = ReadPemFile(from + "/ca.crt");
  if (!certificate.ok()) return certificate.status();
  const auto key = ReadPemFile(from + "/ca.key");
  if (!key.ok()) return key.status();
  wish.now = time(nullptr);
  wish.days = arguments.days == 0 ? kDays : arguments.days;
  return WriteFiles(
      arguments.out, file,
      IssueCertificate({.certificate = *certificate, .key = *key}, wish));
}

}  // namespace

absl::StatusOr<std::string> MakeCaFiles(const CertsArguments& arguments) {
  return WriteFiles(
      arguments.out, "ca",
      MakeAuthority(
          {.common_name = arguments.name.empty() ? "Quorate" : arguments.name,
           .now = time(nullptr),
           .days = arguments.days == 0 ? kCaDays : arguments.days}));
}

absl::StatusOr<std::string> MakeNodeFiles(const CertsArguments& arguments) {
  const std::string name = absl::StrCat("node-", arguments.node);
  return Issue(arguments, name,
               {.common_name = name,
                .uri = absl::StrCat("quorate://", arguments.cluster, "/",
                                    arguments.node),
                .hosts = arguments.hosts,
                .server = true});
}

absl::StatusOr<std::string> MakeClientFiles(const CertsArguments& arguments) {
  const bool plain = std::ranges::all_of(arguments.name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
  if (!plain || arguments.name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a name of letters, digits, '.', '-' and '_', "
                     "found '",
                     arguments.name, "'"));
  }
  return Issue(arguments, "client-" + arguments.name,
               {.common_name = arguments.name});
}

}  // namespace quorate::net
