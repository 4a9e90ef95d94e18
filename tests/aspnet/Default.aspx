<%@ Page Language="C#" %>
<!DOCTYPE html>
<html><body>
<p id="place"><%= Request.Headers["X-Forwarded-Proto"] %> <%= Request.Headers["Host"] %> <%= Request.Headers["X-Forwarded-Port"] %> <%= HttpUtility.HtmlEncode(Request.RawUrl) %></p>
<p id="visits"><%= Session["visits"] = (int)(Session["visits"] ?? 0) + 1 %></p>
<p id="name"><%= HttpUtility.HtmlEncode(Request.Form["name"] ?? "nobody") %></p>
</body></html>
