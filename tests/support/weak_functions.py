"""Small functions with a weakness and the same without it, in eight languages; all written for this test."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """What is weak, the file's name, the weak function and the mended one."""

    weakness: str
    path: str
    weak: str
    mended: str


PAIRS = (
    Pair("shell", "a.py", "def f(h):\n    os.system('ping ' + h)", "def f(h):\n    ping(check(h))"),
    Pair(
        "sql",
        "a.py",
        "def f(c, n):\n    c.execute('select * from t where n = ' + n)",
        "def f(c, n):\n    c.execute('select * from t where n = ?', (n,))",
    ),
    Pair("pickle", "a.py", "def f(b):\n    return pickle.loads(b)", "def f(b):\n    return json.loads(b)"),
    Pair(
        "traversal",
        "a.py",
        "def f(n):\n    return open('/srv/' + n).read()",
        "def f(n):\n    return NAMES[n].read_text()",
    ),
    Pair(
        "ssrf", "a.py", "def f(url):\n    return requests.get(url).text", "def f():\n    return fetch_known()"
    ),
    Pair("tls", "a.py", "def f(s):\n    s.get(A, verify=False)", "def f(s):\n    s.get(A)"),
    Pair(
        "random",
        "a.py",
        "def f():\n    token = ''.join(random.choice(A) for _ in R)",
        "def f():\n    return secrets.token_hex()",
    ),
    Pair(
        "template",
        "a.py",
        "def f(t):\n    return render_template_string(t)",
        "def f():\n    return render_template('a.html')",
    ),
    Pair(
        "split call",
        "a.py",
        "def f(c, n):\n    c.execute(\n        'delete from t where n = ' +\n        n)",
        "def f(c, n):\n    c.remove(n)",
    ),
    Pair(
        "shell",
        "a.js",
        "function f(u) {\n  child_process.exec('ls ' + u)\n}",
        "function f(u) {\n  return list(u)\n}",
    ),
    Pair(
        "xss",
        "a.js",
        "function f(e, t) {\n  e.innerHTML = t\n}",
        "function f(e, t) {\n  e.textContent = t\n}",
    ),
    Pair(
        "pollution",
        "a.js",
        "function f(a, b) {\n  for (const k in b) a[k] = merge(a[k], b[k])\n}",
        "function f(a, b) {\n  return { ...a, ...b }\n}",
    ),
    Pair(
        "redirect",
        "a.ts",
        "function f(req, res) {\n  res.redirect(req.query.next)\n}",
        "function f(res) {\n  res.redirect('/home')\n}",
    ),
    Pair(
        "regex",
        "a.ts",
        "function f(s: string) {\n  return /^(a+)+$/.test(s)\n}",
        "function f(s: string) {\n  return allSame(s, 'a')\n}",
    ),
    Pair(
        "timing",
        "a.ts",
        "function f(a, b) {\n  return a.signature === b.signature\n}",
        "function f(a, b) {\n  return same(a.bytes, b.bytes)\n}",
    ),
    Pair(
        "sql",
        "a.go",
        "func f(db *sql.DB, n string) {\n\tdb.Query(fmt.Sprintf(\"SELECT a FROM t WHERE n='%s'\", n))\n}",
        "func f(db *sql.DB, n string) {\n\tfind(db, n)\n}",
    ),
    Pair(
        "shell",
        "a.go",
        'func f(c string) {\n\texec.Command("sh", "-c", c).Run()\n}',
        "func f(c string) {\n\tstart(c)\n}",
    ),
    Pair(
        "traversal",
        "a.go",
        "func f(w http.ResponseWriter, r *http.Request) {\n\tos.Open(filepath.Join(root, r.URL.Path))\n}",
        "func f(w http.ResponseWriter, r *http.Request) {\n\tserveKnown(w)\n}",
    ),
    Pair(
        "truncation",
        "a.go",
        "func f(n int64) int32 {\n\treturn int32(n)\n}",
        "func f(n int64) (int32, error) {\n\treturn narrow(n)\n}",
    ),
    Pair("shell", "a.rb", 'def f(n)\n  system("convert #{n}")\nend', "def f(n)\n  convert(n)\nend"),
    Pair(
        "sql",
        "a.rb",
        "def f(n)\n  User.where(\"name = '#{n}'\")\nend",
        "def f(n)\n  User.where(name: n)\nend",
    ),
    Pair("yaml", "a.rb", "def f(t)\n  YAML.load(t)\nend", "def f(t)\n  YAML.safe_load(t)\nend"),
    Pair("reflection", "a.rb", "def f(o)\n  o.send(params[:m])\nend", "def f(o)\n  o.refresh\nend"),
    Pair(
        "xss",
        "a.php",
        "<?php\nfunction f() {\n  echo 'Hi ' . $_GET['n'];\n}",
        "<?php\nfunction f($n) {\n  return view($n);\n}",
    ),
    Pair(
        "inclusion",
        "a.php",
        "<?php\nfunction f() {\n  include $_GET['page'] . '.php';\n}",
        "<?php\nfunction f() {\n  include 'home.php';\n}",
    ),
    Pair(
        "unserialize",
        "a.php",
        "<?php\nfunction f($b) {\n  return unserialize($b);\n}",
        "<?php\nfunction f($b) {\n  return first($b);\n}",
    ),
    Pair(
        "xxe",
        "A.java",
        "Doc f(InputStream s) {\n  return DocumentBuilderFactory.newInstance().builder().parse(s);\n}",
        "Doc f(InputStream s) {\n  return Xml.read(s);\n}",
    ),
    Pair(
        "object stream",
        "A.java",
        "Object f(InputStream s) {\n  return new ObjectInputStream(s).readObject();\n}",
        "Item f(InputStream s) {\n  return Item.from(s);\n}",
    ),
    Pair(
        "cipher",
        "A.java",
        'Cipher f() {\n  return Cipher.getInstance("AES/ECB/PKCS5Padding");\n}',
        "Box f() {\n  return Box.sealed();\n}",
    ),
    Pair(
        "missing check",
        "A.java",
        "void f(long id) {\n  orders.remove(id);\n}",
        "void f(User u, long id) {\n  u.require(Right.REMOVE);\n  orders.remove(id);\n}",
    ),
    Pair(
        "overflow",
        "a.c",
        "void f(char *s) {\n  char b[8];\n  strcpy(b, s);\n}",
        "void f(char *s) {\n  show(s);\n}",
    ),
    Pair(
        "size",
        "a.c",
        "void *f(size_t n) {\n  return malloc(n * sizeof(struct item));\n}",
        "void *f(size_t n) {\n  return items(n);\n}",
    ),
    Pair(
        "format", "a.c", "void f(const char *s) {\n  printf(s);\n}", "void f(const char *s) {\n  puts(s);\n}"
    ),
    Pair(
        "use after free",
        "a.c",
        "int f(struct n *p) {\n  free(p);\n  return p->v;\n}",
        "int f(struct n *p) {\n  return p->v;\n}",
    ),
    Pair(
        "unchecked index",
        "a.rs",
        "fn f(b: &[u8], i: usize) -> u8 {\n    unsafe { *b.get_unchecked(i) }\n}",
        "fn f(b: &[u8], i: usize) -> Option<u8> {\n    b.get(i).copied()\n}",
    ),
    Pair(
        "transmute",
        "a.rs",
        "fn f(b: [u8; 4]) -> char {\n    unsafe { std::mem::transmute(b) }\n}",
        "fn f(b: u32) -> Option<char> {\n    char::from_u32(b)\n}",
    ),
    Pair(
        "truncation",
        "a.rs",
        "fn f(n: u64) -> u16 {\n    n as u16\n}",
        "fn f(n: u64) -> Option<u16> {\n    n.try_into().ok()\n}",
    ),
)
