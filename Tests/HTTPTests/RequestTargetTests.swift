import Testing

@testable import HTTP
@testable import HTTPServing

@Suite("Request targets")
struct RequestTargetTests {
  @Test("path and query are percent-decoded") func decoding() throws {
    let target = try RequestTarget(Array("/api/a%20b/%C3%A4?x=1+2&y=%26&flag&x=9&=z".utf8))
    #expect(target.path == "/api/a b/ä")
    #expect(target.segments == ["api", "a b", "ä"])
    #expect(target.query == ["x": "1 2", "y": "&", "flag": "", "": "z"])
  }

  @Test("an encoded slash does not make another path segment") func encodedSlash() throws {
    #expect(try RequestTarget(Array("/agents/a%2Fconfig".utf8)).segments == ["agents", "a/config"])
  }

  @Test("a plus in the path is a plus") func plus() throws { #expect(try RequestTarget(Array("/a+b".utf8)).path == "/a+b") }

  @Test("the absolute form loses its authority", arguments: ["http://h:1/p?q=1", "https://h/p?q=1"]) func absolute(_ text: String) throws {
    let target = try RequestTarget(Array(text.utf8))
    #expect(target.path == "/p")
    #expect(target.query == ["q": "1"])
  }

  @Test("the absolute form without a path is the root") func absoluteWithoutPath() throws {
    #expect(try RequestTarget(Array("http://h".utf8)).path == "/")
    #expect(try RequestTarget(Array("http://h?q=/x".utf8)).query == ["q": "/x"])
  }

  @Test(
    "what cannot be decoded is refused with its reason",
    arguments: [
      ("/%", "Invalid percent-encoding in the path"), ("/%4", "Invalid percent-encoding in the path"),
      ("/%zz", "Invalid percent-encoding in the path"), ("/?a=%g1", "Invalid percent-encoding in the query"),
      ("/a%00b", "NUL in the path"), ("/?a=%00", "NUL in the query"), ("/%ff", "Invalid UTF-8 in the path"),
      ("/?%c3=1", "Invalid UTF-8 in the query"), ("", "Request target does not start with /"),
      ("*", "Request target does not start with /"), ("ftp://h/", "Request target does not start with /"),
      ("/a b", "Request target contains a space or control character"),
    ]) func refused(_ text: String, _ reason: String)
  {
    #expect(throws: RequestTarget.Invalid(reason: reason)) { try RequestTarget(Array(text.utf8)) }
  }

  @Test("headers are found whatever their case, and several of one name are joined") func headers() {
    var headers: HTTPHeaders = ["Content-Type": "a"]
    headers.add("X-Two", "1")
    headers.add("x-two", "2")
    #expect(headers["CONTENT-TYPE"] == "a")
    #expect(headers["X-TWO"] == "1, 2")
    headers["x-TWO"] = nil
    #expect(headers["X-Two"] == nil)
  }

  @Test("an error's body is JSON whatever its message contains") func errorBody() {
    #expect(HTTPResponse.error(400, "a \"b\" \\ \n\u{1}").text == #"{"error":"a \"b\" \\ \n\u0001"}"#)
  }
}
