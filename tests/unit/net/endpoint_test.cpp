#include "net/endpoint.hpp"

#include <string>

#include <gtest/gtest.h>

namespace baozi::net {
namespace {

struct Valid {
  const char* why;
  const char* text;
  Purpose purpose;
  const char* canonical;
  bool loopback;
};
const Valid valid[] = {
    {"Address", "tcp://127.0.0.1:7170", Purpose::connect, "tcp://127.0.0.1:7170", true},
    {"TheRestOf127", "tcp://127.8.9.10:1", Purpose::connect, "tcp://127.8.9.10:1", true},
    {"NoPortMeansOurs", "tcp://10.0.0.7", Purpose::connect, "tcp://10.0.0.7:7170", false},
    {"Name", "tcp://broker-1.lan:65535", Purpose::connect, "tcp://broker-1.lan:65535", false},
    {"Localhost", "tcp://localhost", Purpose::listen, "tcp://localhost:7170", true},
    {"AllInterfaces", "tcp://*:7170", Purpose::listen, "tcp://*:7170", false},
    {"AllInterfacesAsZeros", "tcp://0.0.0.0:7170", Purpose::listen, "tcp://0.0.0.0:7170", false},
    {"FreePort", "tcp://127.0.0.1:*", Purpose::listen, "tcp://127.0.0.1:*", true},
    {"FreePortAsZero", "tcp://127.0.0.1:0", Purpose::listen, "tcp://127.0.0.1:*", true},
    {"Ipv6", "tcp://[2001:db8::1]:9", Purpose::connect, "tcp://[2001:db8::1]:9", false},
    {"Ipv6Loopback", "tcp://[::1]", Purpose::connect, "tcp://[::1]:7170", true},
    {"Ipv6OfIpv4Loopback", "tcp://[::ffff:127.0.0.1]:7", Purpose::connect,
     "tcp://[::ffff:127.0.0.1]:7", true},
    {"Ipv6WithZone", "tcp://[fe80::1%eth0]:7", Purpose::connect, "tcp://[fe80::1%eth0]:7", false},
    {"Ipv6All", "tcp://[::]:7", Purpose::listen, "tcp://[::]:7", false},
    {"SocketFile", "ipc:///run/baozi.sock", Purpose::listen, "ipc:///run/baozi.sock", true},
    {"AbstractSocket", "ipc://@baozi", Purpose::connect, "ipc://@baozi", true},
    {"InProcess", "inproc://broker", Purpose::listen, "inproc://broker", true},
};
class ValidEndpoint : public testing::TestWithParam<Valid> {};
TEST_P(ValidEndpoint, IsReadAndWritten) {
  const auto& row = GetParam();
  const auto endpoint = parse_endpoint(row.text, row.purpose);
  ASSERT_TRUE(endpoint.has_value()) << endpoint.error().message;
  EXPECT_EQ(endpoint->to_string(), row.canonical);
  EXPECT_EQ(is_loopback(*endpoint), row.loopback);
  const auto again = parse_endpoint(row.canonical, row.purpose);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, *endpoint);
}
INSTANTIATE_TEST_SUITE_P(Valid, ValidEndpoint, testing::ValuesIn(valid),
                         [](const auto& row) { return std::string{row.param.why}; });

struct Invalid {
  const char* why;
  std::string text;
  Purpose purpose;
};
const Invalid invalid[] = {
    {"Empty", "", Purpose::listen},
    {"NoScheme", "127.0.0.1:7170", Purpose::connect},
    {"UnknownScheme", "udp://127.0.0.1:7170", Purpose::connect},
    {"NoHost", "tcp://:7170", Purpose::listen},
    {"PortTooLarge", "tcp://127.0.0.1:65536", Purpose::listen},
    {"PortNegative", "tcp://127.0.0.1:-1", Purpose::listen},
    {"PortWithTail", "tcp://127.0.0.1:71a", Purpose::listen},
    {"PortEmpty", "tcp://127.0.0.1:", Purpose::listen},
    {"ConnectToAnyPort", "tcp://127.0.0.1:*", Purpose::connect},
    {"ConnectToPortZero", "tcp://127.0.0.1:0", Purpose::connect},
    {"ConnectToEverywhere", "tcp://*:7170", Purpose::connect},
    {"AddressOutOfRange", "tcp://127.0.0.256:7170", Purpose::connect},
    {"AddressTooShort", "tcp://127.0.1:7170", Purpose::connect},
    {"Ipv6WithoutBrackets", "tcp://::1:7170", Purpose::connect},
    {"BracketNotClosed", "tcp://[::1:7170", Purpose::connect},
    {"NameInBrackets", "tcp://[localhost]:7170", Purpose::connect},
    {"TextAfterBracket", "tcp://[::1]7170", Purpose::connect},
    {"SourceAddress", "tcp://127.0.0.1:1;127.0.0.1:2", Purpose::connect},
    {"PathInTcp", "tcp://host/path:7170", Purpose::connect},
    {"Space", "tcp://my host:7170", Purpose::connect},
    {"ControlCharacter", "ipc:///tmp/a\nb", Purpose::listen},
    {"Zero", std::string("ipc:///tmp/a\0b", 14), Purpose::listen},
    {"NoPath", "ipc://", Purpose::listen},
    {"NoAbstractName", "ipc://@", Purpose::listen},
    {"WildcardPath", "ipc://*", Purpose::listen},
    {"PathTooLong", "ipc:///" + std::string(107, 'x'), Purpose::listen},
    {"NoName", "inproc://", Purpose::listen},
    {"NameTooLong", "inproc://" + std::string(256, 'x'), Purpose::listen},
    {"HostTooLong", "tcp://" + std::string(254, 'x') + ":1", Purpose::connect},
};
class InvalidEndpoint : public testing::TestWithParam<Invalid> {};
TEST_P(InvalidEndpoint, IsRefusedByName) {
  const auto endpoint = parse_endpoint(GetParam().text, GetParam().purpose);
  ASSERT_FALSE(endpoint.has_value());
  EXPECT_EQ(endpoint.error().code, Errc::invalid);
  EXPECT_NE(endpoint.error().message.find(GetParam().text), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(Invalid, InvalidEndpoint, testing::ValuesIn(invalid),
                         [](const auto& row) { return std::string{row.param.why}; });

TEST(EndpointList, IsSeparatedByCommas) {
  const auto list = parse_endpoints("tcp://a:1, tcp://b ,ipc:///c", Purpose::connect, 7171);
  ASSERT_TRUE(list.has_value()) << list.error().message;
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ((*list)[1].to_string(), "tcp://b:7171");
}

TEST(EndpointList, RefusesAnEmptyPlaceARepetitionAndTooMany) {
  EXPECT_FALSE(parse_endpoints("", Purpose::listen));
  EXPECT_FALSE(parse_endpoints("tcp://a:1,", Purpose::listen));
  EXPECT_FALSE(parse_endpoints("tcp://a:1,tcp://a:1", Purpose::listen));
  EXPECT_FALSE(parse_endpoints("inproc://a,inproc://a", Purpose::listen));
  EXPECT_TRUE(parse_endpoints("tcp://127.0.0.1:*,tcp://127.0.0.1:*", Purpose::listen));
  std::string many = "tcp://a:1";
  for (int i = 2; i <= 17; ++i) many += ",tcp://a:" + std::to_string(i);
  EXPECT_FALSE(parse_endpoints(many, Purpose::listen));
}

}  // namespace
}  // namespace baozi::net
